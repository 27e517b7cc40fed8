// Who runs when: a schedule as threads by position, one entry a step, and its short written form.
import { PagelifeError } from "../base/errors.ts";

/** The thread that makes each step, by position. */
export type Schedule = readonly number[];

/** One for each thread, in order. */
const LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/**
 * Writes a schedule in runs: `a14b3a` is fourteen steps of the first thread, three of the second,
 * one of the first.
 */
export function formatSchedule(schedule: Schedule): string {
  let text = "";
  for (let i = 0; i < schedule.length; ) {
    const thread = schedule[i] ?? 0;
    let end = i;
    while (end < schedule.length && schedule[end] === thread) end++;
    text += LETTERS.charAt(thread) + (end - i > 1 ? end - i : "");
    i = end;
  }
  return text;
}

/**
 * Reads what {@link formatSchedule} wrote.
 *
 * @throws {@link PagelifeError} PL202 if it is not a schedule.
 */
export function parseSchedule(text: string): Schedule {
  if (!/^([a-zA-Z]\d*)*$/.test(text)) throw new PagelifeError("PL202", `"${text}" is not a schedule`);
  const schedule: number[] = [];
  for (const [, letter = "a", count] of text.matchAll(/([a-zA-Z])(\d*)/g)) {
    const thread = LETTERS.indexOf(letter);
    const times = count === "" ? 1 : Number(count);
    if (times > 10_000_000) throw new PagelifeError("PL202", `a run of ${times} steps is no schedule`);
    for (let i = 0; i < times; i++) schedule.push(thread);
  }
  return schedule;
}

/** As {@link formatSchedule}, with the steps that come after it again and again behind a tilde: `a14b3~ba`. */
export const formatLoop = (schedule: Schedule, loop: Schedule | null): string =>
  loop === null ? formatSchedule(schedule) : `${formatSchedule(schedule)}~${formatSchedule(loop)}`;

/** Reads what {@link formatLoop} wrote. */
export function parseLoop(text: string): { readonly schedule: Schedule; readonly loop: Schedule | null } {
  const [schedule = "", loop, more] = text.split("~");
  if (more !== undefined || loop === "") throw new PagelifeError("PL202", `"${text}" is not a schedule`);
  return { schedule: parseSchedule(schedule), loop: loop === undefined ? null : parseSchedule(loop) };
}

/** Changes of the running thread; the start of the first is none. */
export function countSwitches(schedule: Schedule): number {
  let switches = 0;
  for (let i = 1; i < schedule.length; i++) if (schedule[i] !== schedule[i - 1]) switches++;
  return switches;
}
