// Moves the states of a search into memory that workers share, and out of it again: when a search turns out
// to be long, and when it is written to a checkpoint. Outside, states and chunks are numbered without gaps.
import type { SharedMemory } from "./shared-search.ts";
import { fillRows, hashOfRow, rowsOf, UNUSED } from "./shared-table.ts";
import { hashOf } from "./state-set.ts";

/**
 * Fills empty tables. Nobody may use them meanwhile.
 *
 * @param states Packed, one after another.
 * @param chunks The rows of each table of chunks.
 * @throws {@link TableFull} if they are too many.
 */
export function moveIn(memory: SharedMemory, states: Int32Array, chunks: readonly Int32Array[]): void {
  const { width } = memory.states;
  fillRows(memory.states, states, (rows, offset) => hashOf(rows, offset, width));
  memory.chunks.forEach((table, k) => {
    fillRows(table, chunks[k] as Int32Array, (rows, offset) => hashOfRow(rows, offset, table.width));
  });
}

/**
 * Takes states and chunks out; they stay where they are, too. All workers have to rest before.
 *
 * @param waiting States that wait, by their numbers in the shared table.
 */
export function moveOut(
  memory: SharedMemory,
  waiting: readonly Int32Array[],
): { states: Int32Array; chunks: Int32Array[]; inHand: Int32Array } {
  const { width } = memory.states;
  const rows = rowsOf(memory.states);
  const numbers = new Int32Array(rows.length / width);
  let count = 0;
  for (let row = 0; row < numbers.length; row++) {
    if (rows[row * width] === UNUSED) continue;
    rows.copyWithin(count * width, row * width, (row + 1) * width);
    numbers[row] = count++;
  }
  return {
    states: rows.slice(0, count * width),
    chunks: memory.chunks.map((table) => withoutGaps(rowsOf(table), table.width)),
    inHand: Int32Array.from(waiting.flatMap((w) => [...w].map((row) => numbers[row] as number))),
  };
}

/** States name chunks by number, so a row that is not in use stays, as one that is unlike all others. */
function withoutGaps(rows: Int32Array, width: number): Int32Array {
  for (let at = 0; at < rows.length; at += width) if (rows[at] === UNUSED) rows[at + 1] = at;
  return rows;
}
