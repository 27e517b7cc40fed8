// Repeats one execution exactly, from a token that a person can paste. The token says what it was
// found in and what came out; it is refused when a step diverges or the outcome differs, since then
// the scenario, the kernel or a change is not what it was. That a finding comes out again proves that it is
// real in the program as it is now; that nothing comes out proves nothing of other executions.
//
// What a token rests on stays the same from version to version of this tool: who runs when, and of each step its
// kind, the names of its cells and its result. How states are kept, numbered or searched is no part of it.
import { PagelifeError } from "../base/errors.ts";
import { type Execution, runSchedule, type Step } from "./execution.ts";
import { livelockOf } from "./livelock.ts";
import { mainCells, takesLock } from "./operation.ts";
import { type Finding, findingKey } from "./outcome.ts";
import type { Prepared } from "./program.ts";
import { formatLoop, parseLoop, type Schedule } from "./schedule.ts";
import { encode } from "./value.ts";

/** Versions of the token's format: 1, and 2 for a schedule that ends in a loop, which has `~` before it. */
const FORMATS: readonly string[] = ["1", "2"];

/** What was explored when a schedule was found: names in the user's words. */
export interface Subject {
  readonly scenario: string;
  readonly kernel: string;
  readonly changes: readonly string[];
}

/** A token, taken apart. */
export interface Token extends Subject {
  readonly schedule: Schedule;
  /** What comes after the schedule again and again, for a livelock. */
  readonly loop: Schedule | null;
  /** `kind:property` of the finding, or `completed`; a checksum of it. */
  readonly outcome: string;
  /** Checksum of the steps: who did what to which cell, and what came back. */
  readonly steps: string;
}

/** 28 bits are enough: this catches a changed scenario, not an adversary. */
function checksum(text: string): string {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  h ^= h >>> 15;
  return (Math.imul(h, 0x85ebca6b) >>> 4).toString(16).padStart(7, "0");
}

const outcomeOf = (finding: Finding | null): string => checksum(finding ? findingKey(finding) : "completed");

const stepsOf = (steps: readonly Step[]): string =>
  checksum(
    steps
      .map((s) => {
        const cells = mainCells(s.op).map((c) => c.name);
        return `${s.thread} ${s.op.op} ${cells.join()} ${encode(s.result, "a result")}`;
      })
      .join("\n"),
  );

/**
 * Writes a token. Its parts are separated by colons: format, scenario, kernel, changes, schedule, checks.
 *
 * @param execution The execution, with one turn of the loop if there is one.
 * @param loop      The last steps of the execution, if they can come again and again.
 */
export function formatToken(
  subject: Subject,
  execution: Execution,
  finding: Finding | null,
  loop: Schedule | null = null,
): string {
  const threads = execution.steps.map((s) => s.thread);
  const schedule = formatLoop(threads.slice(0, threads.length - (loop?.length ?? 0)), loop);
  const changes = subject.changes.length === 0 ? "-" : subject.changes.join("+");
  const checks = `${outcomeOf(finding)}${stepsOf(execution.steps)}`;
  const format = loop === null ? "1" : "2";
  return [format, subject.scenario, subject.kernel, changes, schedule, checks].join(":");
}

/**
 * Reads a token.
 *
 * @throws {@link PagelifeError} PL202 if it is none, or of a format that this version does not know.
 */
export function parseToken(text: string): Token {
  const [format, scenario = "", kernel = "", changes = "", schedule = "", checks = ""] = text
    .trim()
    .split(":");
  if (!FORMATS.includes(format ?? "") || !/^[0-9a-f]{14}$/.test(checks)) {
    throw new PagelifeError(
      "PL202",
      `"${text}" is not a replay token of format ${FORMATS.join(" or ")} (format:scenario:kernel:changes:schedule:checks)`,
    );
  }
  return {
    scenario,
    kernel,
    changes: changes === "-" ? [] : changes.split("+"),
    ...parseLoop(schedule),
    outcome: checks.slice(0, 7),
    steps: checks.slice(7),
  };
}

/**
 * Checks that an execution is the one that a token was written for.
 *
 * @param execution Of the token's schedule, and of one turn of its loop if it has one.
 * @returns The finding that the token names, or null if it names a completed execution.
 * @throws {@link PagelifeError} PL202 if another thing came out, or the steps differ.
 */
export function confirmToken(token: Token, execution: Execution): Finding | null {
  const findings =
    token.loop === null ? execution.findings() : confirmLoop(execution.prepared, token.schedule, token.loop);
  const found = findings.find((f) => outcomeOf(f) === token.outcome) ?? null;
  if (found === null && outcomeOf(null) !== token.outcome) {
    const now = findings.length === 0 ? "nothing is wrong" : findings.map((f) => f.detail).join("; ");
    throw new PagelifeError(
      "PL202",
      `the outcome differs: after ${execution.steps.length} steps ${now}. The token was recorded with ` +
        "another version of the scenario, the kernel or its changes.",
    );
  }
  if (stepsOf(execution.steps) !== token.steps) {
    throw new PagelifeError(
      "PL202",
      "the steps differ: the schedule runs to the same end, but over other operations or values. The " +
        "token was recorded with another version of the scenario, the kernel or its changes.",
    );
  }
  return found;
}

/** The livelock that a loop is: it leads back to where it begins, and each thread has a turn or could not take one. */
function confirmLoop(prepared: Prepared, schedule: Schedule, loop: Schedule): Finding[] {
  const execution = runSchedule(prepared, schedule);
  const begin = execution.state();
  const served = new Set<number>(loop);
  let progress = false;
  let passedOver = false;
  for (const thread of loop) {
    const able = execution.enabled();
    execution.threads.forEach(({ turn }, t) => {
      if (!able.includes(t)) served.add(t);
      else if (turn.kind === "wants" && takesLock(turn.op) && !loop.includes(t)) passedOver = true;
    });
    progress ||= execution.step(thread).op.progress === true;
  }
  const fair = served.size === prepared.threads.length && !progress && !passedOver;
  const found = fair && execution.state() === begin ? livelockOf(prepared, schedule, loop) : null;
  return found === null ? [] : [found];
}
