// What one operation does to memory. The only place that knows: every strategy, setup and replay
// make their steps through here.
import { PagelifeError } from "../base/errors.ts";
import type { Applied, Cell, Operation } from "./access.ts";
import { identity, type Value } from "./value.ts";

/** A step that was made: what it wrote and what the thread is handed. */
export interface Performed {
  readonly writes: readonly { readonly cell: number; readonly value: Value }[];
  readonly result: Value;
}

const NONE: readonly Cell[] = [];

/** The cells of an operation itself, without its ghosts and those that its first cell names. */
export function mainCells(op: Operation): readonly Cell[] {
  switch (op.op) {
    case "read":
    case "write":
      return [op.cell];
    case "rmw":
    case "acquire":
      return op.cells;
    case "fence":
      return NONE;
  }
}

/** Every cell that an operation reads or writes, each once: main cells first, then ghosts. */
export function footprint(op: Operation): readonly Cell[] {
  const cells = [...mainCells(op)];
  for (const { cell } of op.ghosts ?? []) if (!cells.includes(cell)) cells.push(cell);
  return cells;
}

/** The further cells that the value of the first one names. */
export const moreCells = (op: Operation, memory: readonly Value[]): readonly Cell[] =>
  op.op === "acquire" && op.more !== undefined && op.cells[0] !== undefined
    ? op.more(memory[op.cells[0].id] as never)
    : NONE;

/** True if the operation may change a cell. */
export const mayWrite = (op: Operation): boolean =>
  (op.op !== "read" && op.op !== "fence") || (op.ghosts ?? []).length > 0;

/**
 * Makes a step on `memory`, which is only read.
 *
 * @returns null if the operation cannot be made now (a lock that is held, a sleeper nobody woke).
 */
export function perform(op: Operation, memory: readonly Value[]): Performed | null {
  const applied = applyMain(op, memory);
  if (applied === null) return null;

  const writes: { cell: number; value: Value }[] = [];
  if (op.op !== "read") {
    [...mainCells(op), ...moreCells(op, memory)].forEach((cell, i) => {
      writes.push({ cell: cell.id, value: applied.next[i] });
    });
  }
  for (const { cell, update } of op.ghosts ?? []) {
    const earlier = writes.findLast((w) => w.cell === cell.id);
    writes.push({ cell: cell.id, value: update(earlier ? earlier.value : memory[cell.id], applied.result) });
  }
  return { writes, result: applied.result };
}

function applyMain(op: Operation, memory: readonly Value[]): Applied | null {
  switch (op.op) {
    case "read":
      return { next: [], result: memory[op.cell.id] };
    case "write":
      return { next: [op.value], result: undefined };
    case "fence":
      return { next: [], result: undefined };
    case "rmw":
    case "acquire": {
      const values = [...op.cells, ...moreCells(op, memory)].map((c) => memory[c.id]);
      return op.apply(...(values as never[]));
    }
  }
}

/** Refuses what is not an operation: a user's `yield` of something else. */
export function assertOperation(op: unknown, where: string): asserts op is Operation {
  const kind = (op as { op?: unknown } | null | undefined)?.op;
  const cells = (op as { cells?: unknown[]; cell?: unknown } | null | undefined) ?? {};
  const named = cells.cells ?? (kind === "fence" ? [] : [cells.cell]);
  const known = ["read", "write", "rmw", "fence", "acquire"].includes(String(kind));
  const isCell = (c: unknown): boolean => typeof c === "object" && c !== null && identity in c && "id" in c;
  if (!known || !named.every(isCell)) {
    throw new PagelifeError("PL201", `${where} yields something that is not an operation on cells`);
  }
}

/** True for a step that waits in the queue of a lock. */
export const takesLock = (op: Operation | null): boolean => op?.op === "acquire" && op.blocks === "lock";
