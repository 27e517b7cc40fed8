// The kernel's primitives on one word, under its names and with its ordering: a read-modify-write
// that returns a value is a full barrier, one that does not orders nothing.
// Source: Documentation/atomic_t.txt, Documentation/memory-barriers.txt.
import { type Cell, type Code, fence, type GhostUpdate, read, rmw, write } from "../../explore/access.ts";
import type { Value } from "../../explore/value.ts";

/** Ghost state that changes in the same step. */
type Ghosts = readonly GhostUpdate[];

export function* READ_ONCE<T extends Value>(cell: Cell<T>, ghosts: Ghosts = []): Code<T> {
  return yield* read(cell, { ghosts });
}

export function* WRITE_ONCE<T extends Value>(cell: Cell<T>, value: T, ghosts: Ghosts = []): Code {
  yield* write(cell, value, { ghosts });
}

export function* smp_load_acquire<T extends Value>(cell: Cell<T>): Code<T> {
  return yield* read(cell, { order: "acquire" });
}

export function* smp_store_release<T extends Value>(cell: Cell<T>, value: T): Code {
  yield* write(cell, value, { order: "release" });
}

export function* smp_mb(): Code {
  yield* fence("full");
}

export function* xchg<T extends Value>(cell: Cell<T>, value: T, ghosts: Ghosts = []): Code<T> {
  return yield* rmw([cell], (old: T) => ({ next: [value], result: old }), { ghosts });
}

/** Stores `value` if the cell holds `expected`. @returns what it held. */
export function* cmpxchg<T extends Value>(cell: Cell<T>, expected: T, value: T): Code<T> {
  return yield* rmw([cell], (old: T) => ({ next: [old === expected ? value : old], result: old }));
}

/** Sets bits of a word. @returns what it held; a full barrier, as test_and_set_bit(). */
export function* set_bits(cell: Cell<number>, bits: number): Code<number> {
  return yield* rmw([cell], (old: number) => ({ next: [old | bits], result: old }));
}

/** Clears bits of a word; orders nothing. */
export function* clear_bits(cell: Cell<number>, bits: number): Code {
  yield* rmw([cell], (old: number) => ({ next: [old & ~bits], result: null }), { order: "relaxed" });
}

export function* atomic_read(cell: Cell<number>): Code<number> {
  return yield* read(cell);
}

export function* atomic_set(cell: Cell<number>, value: number): Code {
  yield* write(cell, value);
}

/** Adds; orders nothing. */
export function* atomic_add(cell: Cell<number>, n: number, ghosts: Ghosts = []): Code {
  yield* rmw([cell], (old: number) => ({ next: [old + n], result: null }), { order: "relaxed", ghosts });
}

export function* atomic_inc(cell: Cell<number>): Code {
  yield* atomic_add(cell, 1);
}

/** Subtracts; orders nothing. */
export function* atomic_sub(cell: Cell<number>, n: number): Code {
  yield* atomic_add(cell, -n);
}

/** Adds. @returns the new value; a full barrier. */
export function* atomic_add_return(cell: Cell<number>, n: number): Code<number> {
  return yield* rmw([cell], (old: number) => ({ next: [old + n], result: old + n }));
}

export function* atomic_sub_return(cell: Cell<number>, n: number): Code<number> {
  return yield* atomic_add_return(cell, -n);
}

/** Subtracts. @returns whether the result is 0; a full barrier. */
export function* atomic_sub_and_test(cell: Cell<number>, n: number): Code<boolean> {
  return yield* rmw([cell], (old: number) => ({ next: [old - n], result: old === n }));
}

export function* atomic_dec_and_test(cell: Cell<number>): Code<boolean> {
  return yield* atomic_sub_and_test(cell, 1);
}

/** Adds unless the value is `unless`. @returns whether it did; a full barrier if so. */
export function* atomic_add_unless(cell: Cell<number>, n: number, unless: number): Code<boolean> {
  return yield* rmw([cell], (old: number) =>
    old === unless ? { next: [old], result: false } : { next: [old + n], result: true },
  );
}
