// Blocks of a file system, and ghost state that says which files have them. The three file systems
// allocate and free alike here: one block is one page, the lowest free block is taken, and what is
// freed can be taken at once (there is no journal to commit). XFS alone locks more than the file's block map when it
// changes who has a block: the AGF.

import { hex, type Pfn } from "../../base/brand.ts";
import { requireUse } from "../../base/errors.ts";
import { type Applied, type Cell, type Code, rmw, type StepOptions } from "../../explore/access.ts";
import type { Value } from "../../explore/value.ts";
import type { Inode, SuperBlock } from "../include/linux/fs.ts";
import { pfn_to_page } from "../include/linux/mm.ts";
import type { Kernel } from "../kernel.ts";
import { READ_ONCE } from "../lib/atomic.ts";
import { agf_locked } from "./xfs/xfs_alloc.ts";

export const FREE = "free";
const AND = " and ";

/** Ghost state: a file more, or one less, has the block. */
export const withOwner = (owners: string, name: string): string =>
  owners === FREE ? name : [...owners.split(AND), name].sort().join(AND);

function withoutOwner(owners: string, name: string): string {
  const left = owners.split(AND);
  left.splice(left.indexOf(name), 1);
  return left.length === 0 ? FREE : left.join(AND);
}

/** The end of a range of a file, or where the block map ends: a hole may be punched beyond the end of the file. */
export const endOfBlocks = (inode: Inode, end: number): number => Math.min(end, inode.i_data.length);

/** The place in the block map of a file. */
export function extentOf(inode: Inode, index: number): Cell<Pfn | null> {
  const extent = inode.i_data[index];
  requireUse(extent, `file ${inode.name} has no page ${index}`);
  return extent;
}

/** The places of a range in the block map of a file. */
export function extentsOf(inode: Inode, index: number, pages: number): readonly Cell<Pfn | null>[] {
  return [extentOf(inode, index), ...inode.i_data.slice(index + 1, index + pages)];
}

/** What a range begins with: a block and those that follow it in order, or a hole. */
export interface Run {
  /** The first block; null is a hole. */
  readonly pfn: Pfn | null;
  /** How far it goes. */
  readonly pages: number;
  readonly [field: string]: number | null;
}

/** How many places of a range are as it begins: blocks in order, or a hole. */
export function runOf(blocks: readonly (Pfn | null)[]): number {
  const [first = null] = blocks;
  const end = blocks.findIndex((b, i) => b !== (first === null ? null : first + i));
  return end < 0 ? blocks.length : end;
}

/** What a range begins with. One step, as what is looked at under the lock of the block map. */
export function* lookUp(extents: readonly Cell<Pfn | null>[]): Code<Run> {
  const [only] = extents;
  if (only !== undefined && extents.length === 1) return { pfn: yield* READ_ONCE(only), pages: 1 };
  return yield* rmw(extents, (...blocks: (Pfn | null)[]) => ({
    next: blocks,
    result: { pfn: blocks[0] ?? null, pages: runOf(blocks) },
  }));
}

/** Blocks that a file has, and whether it was given them just now. */
export interface Taken {
  readonly block: Pfn;
  readonly pages: number;
  readonly fresh: boolean;
  readonly [field: string]: number | boolean;
}

/**
 * Free blocks for a hole, in one piece: as many as it wants, from an aligned one on; or the lowest, and those that
 * follow it in order.
 */
export function freeRun(free: readonly Pfn[], pages: number, aligned: boolean): readonly Pfn[] {
  const at = (b: Pfn, i: number) => b % pages === 0 && free[i + pages - 1] === b + pages - 1;
  const from = aligned ? Math.max(free.findIndex(at), 0) : 0;
  const run = free.slice(from, from + pages);
  return run.slice(0, runOf(run));
}

/**
 * Gives the hole with which a range begins blocks in one piece, unless somebody was faster: then the file has the
 * blocks of the other. To look again and to take are one step, which also notes that the block map has changed.
 *
 * @param aligned Whether a hole that fills the range is given aligned blocks, if there are any.
 * @returns null if there is no block left.
 */
export function* takeBlocks(
  k: Kernel,
  inode: Inode,
  extents: readonly Cell<Pfn | null>[],
  aligned: boolean = true,
): Code<Taken | null> {
  const { free_blocks } = inode.i_sb;
  const { i_dirty, name } = inode;
  const n = extents.length;
  for (;;) {
    const { found, blocks } = yield* rmw(
      [free_blocks, ...extents],
      (pool: readonly Pfn[], ...old: (Pfn | null)[]) => {
        const pages = runOf(old);
        const there = old[0] ?? null;
        return {
          next: [pool, ...old],
          result: {
            found: there === null ? null : { block: there, pages, fresh: false },
            blocks: there === null ? freeRun(pool, pages, aligned && pages === n) : [],
          },
        };
      },
    );
    if (found !== null) return found;
    const [block] = blocks;
    if (block === undefined) return null;
    const places = extents.slice(0, blocks.length);
    const owners = blocks.map((b) => pfn_to_page(k, b).block_owner);
    const taken = yield* rmw(
      [free_blocks, i_dirty, ...places, ...owners],
      (pool: readonly Pfn[], dirty: boolean, ...old: (Pfn | string | null)[]) =>
        blocks.every((b) => pool.includes(b)) && old.slice(0, blocks.length).every((b) => b === null)
          ? {
              next: [pool.filter((b) => !blocks.includes(b)), true, ...blocks, ...owners.map(() => name)],
              result: true,
            }
          : { next: [pool, dirty, ...old], result: false },
      { note: { quiet: true } },
    );
    if (taken) return { block, pages: blocks.length, fresh: true };
  }
}

/** A step that changes who has blocks. */
function* changeOwners<R extends Value>(
  sb: SuperBlock,
  cells: readonly Cell[],
  apply: (...values: never[]) => Applied<R>,
  options?: StepOptions,
): Code<R> {
  if (sb.s_type.name === "xfs") return yield* agf_locked(sb, cells, apply, options);
  return yield* rmw(cells, apply, options);
}

/** Takes the block of a place in a file away. If no other file shares it, it is free from here on. */
export function* dropBlock(k: Kernel, inode: Inode, extent: Cell<Pfn | null>): Code {
  const { free_blocks, refcountbt } = inode.i_sb;
  const { name } = inode;
  for (;;) {
    const block = yield* READ_ONCE(extent);
    if (block === null) return;
    const { block_owner } = pfn_to_page(k, block);
    const left = yield* changeOwners(
      inode.i_sb,
      [free_blocks, refcountbt, extent, block_owner],
      (free: readonly Pfn[], shared: readonly Pfn[], old: Pfn | null, owners: string) =>
        old === block
          ? {
              next: [...givenBack(free, shared, block), null, withoutOwner(owners, name)],
              result: shared.includes(block) ? "shared" : "free",
            }
          : { next: [free, shared, old, owners], result: null },
      { note: { text: (result) => (result === "free" ? `frees the block of pfn ${hex(block)}` : "") } },
    );
    if (left !== null) return;
  }
}

/** The free and the shared blocks after a file has given one back. */
export function givenBack(
  free: readonly Pfn[],
  shared: readonly Pfn[],
  block: Pfn,
): [readonly Pfn[], readonly Pfn[]] {
  const at = shared.indexOf(block);
  if (at >= 0) return [free, shared.filter((_, i) => i !== at)];
  const next = free.findIndex((b) => b > block);
  return [free.toSpliced(next < 0 ? free.length : next, 0, block), shared];
}

/** Lets a file share the block of another. */
export function* shareBlock(k: Kernel, inode: Inode, extent: Cell<Pfn | null>, block: Pfn): Code {
  const { refcountbt } = inode.i_sb;
  const { block_owner } = pfn_to_page(k, block);
  const { name } = inode;
  yield* changeOwners(
    inode.i_sb,
    [refcountbt, extent, block_owner],
    (shared: readonly Pfn[], _old: Pfn | null, owners: string) => ({
      next: [[...shared, block].sort((a, b) => a - b), block, withOwner(owners, name)],
      result: null,
    }),
    { note: { text: () => `shares the block of pfn ${hex(block)}` } },
  );
}

/** Moves the blocks of a file from a place on, up or down. What comes to lie before that place is gone already. */
export function* shiftBlocks(inode: Inode, first: number, by: number): Code {
  const { i_data, i_dirty } = inode;
  yield* rmw([i_dirty, ...i_data], (_old: boolean, ...blocks: (Pfn | null)[]) => ({
    next: [true, ...blocks.map((b, i) => (i < first ? b : i - by < first ? null : (blocks[i - by] ?? null)))],
    result: null,
  }));
}

/** Lets copies take the place of blocks, where there are copies: the end of copy-on-write. */
export function* replaceBlocks(
  k: Kernel,
  inode: Inode,
  extents: readonly Cell<Pfn | null>[],
  copies: readonly Cell<Pfn | null>[],
): Code {
  const { free_blocks, refcountbt } = inode.i_sb;
  const { i_dirty, name } = inode;
  const n = extents.length;
  for (;;) {
    const seen = yield* rmw([...extents, ...copies], (...forks: (Pfn | null)[]) => ({
      next: forks,
      result: forks,
    }));
    const made = seen.slice(n);
    if (made.every((b) => b === null)) return;
    const gone = seen.slice(0, n).flatMap((b, i) => (b === null || (made[i] ?? null) === null ? [] : [b]));
    const owners = gone.map((b) => pfn_to_page(k, b).block_owner);
    const freed = yield* changeOwners<readonly Pfn[] | null>(
      inode.i_sb,
      [free_blocks, refcountbt, i_dirty, ...extents, ...copies, ...owners],
      (free: readonly Pfn[], shared: readonly Pfn[], dirty: boolean, ...rest: (Pfn | string | null)[]) => {
        if (seen.some((b, i) => rest[i] !== b)) return { next: [free, shared, dirty, ...rest], result: null };
        const blocks = seen.slice(0, n).map((b, i) => made[i] ?? b);
        const owned = rest.slice(2 * n).map((o) => withoutOwner(String(o), name));
        let [pool, others] = [free, shared];
        for (const b of gone) [pool, others] = givenBack(pool, others, b);
        return {
          next: [pool, others, true, ...blocks, ...made.map(() => null), ...owned],
          result: gone.filter((b) => !shared.includes(b)),
        };
      },
      { note: { text: (result) => freedText(result as readonly Pfn[] | null) } },
    );
    if (freed !== null) return;
  }
}

const freedText = (blocks: readonly Pfn[] | null): string =>
  (blocks ?? []).map((b) => `frees the block of pfn ${hex(b)}`).join(", ");
