// What goes from the thread that reads a recording to the one that analyses it: rows of numbers in memory
// that both see, and the texts that some of the numbers stand for.
import { type EventSpec, vocabulary } from "../../events/vocabulary.ts";
import type { ReadContext } from "../readers/reader.ts";
import type { Stack } from "../sink.ts";

/** Batches come in the order in which the reader found what is in them. */
export interface Batch {
  /** Which of the shared blocks holds the rows, and how many of its numbers count. */
  readonly block: number;
  readonly length: number;
  /** Texts of this batch. A number stands for a place in them, from 1; 0 is the empty text. */
  readonly texts: readonly string[];
  /** Tasks and stacks that are new. A number stands for a place among all that came so far, from 0. */
  readonly tasks: readonly { readonly comm: string; readonly tid: number }[];
  readonly stacks: readonly Stack[];
  /** Events read so far, also those that are of no interest. */
  readonly events: number;
}

/**
 * A row starts with the number of an event's specification, and has each field of `KernelEvent` in its
 * place; or it starts with one of these, and has two more numbers.
 */
export const row = { stack: -1, lost: -2, clock: -3, memoryMap: -4 } as const;
export const EVENT_ROW = 26;

/** Few enough that what one thread has written is in the processor's cache when the other reads it. */
const ROWS = 10_000;
export const BLOCK_LENGTH = ROWS * EVENT_ROW;

/** Every specification that an event can have, in the same order on both sides. */
export const specsOf = ({ probes }: ReadContext): readonly EventSpec[] => [...vocabulary, ...probes.values()];
