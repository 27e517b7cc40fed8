// A checker of its own for the random programs: it reads the sketches and shares nothing with the engine, neither
// threads as generators nor operations, values, states or rules. Written to be obviously right: every state once,
// kept as JSON text.
import type { Instruction, Sketch } from "./random-program.ts";

interface Thread {
  /** Next instruction; half of one where a sleeper is on the queue. */
  at: number;
  seen: number;
  retries: number;
  spawned: boolean;
  asleep: boolean;
  phase: "waits-to-begin" | "runs" | "ended";
}

interface State {
  data: number[];
  locks: number[];
  queue: number[];
  woken: boolean[];
  spawned: boolean;
  ended: boolean;
  threads: Thread[];
  failure: string | null;
}

export interface BruteForce {
  /** `kind:property`, sorted. */
  readonly findings: readonly string[];
  /** The cells of each state in which nobody can run and nobody has failed, as JSON, sorted. */
  readonly finals: readonly string[];
}

/** Looks at every state that a program can come to. Null if there are more than `limit`. */
export function bruteForce(sketch: Sketch, limit: number): BruteForce | null {
  const findings = new Set<string>();
  const finals = new Set<string>();
  const first: State = {
    data: [0, 0, 0],
    locks: [0, 0],
    queue: [],
    woken: sketch.threads.map(() => false),
    spawned: false,
    ended: false,
    threads: sketch.threads.map((_, t) => ({
      at: 0,
      seen: 0,
      retries: 1,
      spawned: false,
      asleep: false,
      phase: isTask(sketch, t) ? "waits-to-begin" : "runs",
    })),
    failure: null,
  };
  first.threads.forEach((thread, t) => {
    if (thread.phase === "runs") runLocally(sketch, first, t);
  });
  const seen = new Set([JSON.stringify(first)]);
  for (const text of seen) {
    if (seen.size > limit) return null;
    const state = JSON.parse(text) as State;
    for (const broken of brokenRules(sketch, state)) findings.add(`invariant:${broken}`);
    if (state.failure !== null) {
      findings.add(`assertion:${state.failure}`);
      continue;
    }
    let stuck = true;
    for (let t = 0; t < state.threads.length; t++) {
      const next = JSON.parse(text) as State;
      if (!step(sketch, next, t)) continue;
      stuck = false;
      seen.add(JSON.stringify(next));
    }
    if (!stuck) continue;
    const dead = deadState(sketch, state);
    if (dead !== null) findings.add(dead);
    const { data, locks, queue, woken, spawned, ended } = state;
    finals.add(JSON.stringify([...data, ...locks, queue, ...woken, spawned, ended]));
  }
  return { findings: [...findings].sort(), finals: [...finals].sort() };
}

const isTask = (sketch: Sketch, t: number): boolean => sketch.task && t === sketch.threads.length - 1;

const pending = (sketch: Sketch, state: State, t: number): Instruction | undefined =>
  sketch.threads[t]?.[state.threads[t]?.at ?? 0];

/** Makes one step of a thread; false if it cannot. */
function step(sketch: Sketch, state: State, t: number): boolean {
  const { data, locks, woken } = state;
  const thread = state.threads[t] as Thread;
  if (thread.phase === "ended") return false;
  if (thread.phase === "waits-to-begin") {
    if (!state.spawned) return false;
    thread.phase = "runs";
    runLocally(sketch, state, t);
    return true;
  }
  const instruction = pending(sketch, state, t);
  if (instruction === undefined) {
    // Only a task makes a step to end.
    state.ended = true;
    thread.phase = "ended";
    return true;
  }
  switch (instruction.do) {
    case "read":
      thread.seen = data[instruction.c] as number;
      break;
    case "write":
      data[instruction.c] = instruction.value;
      break;
    case "store":
      data[instruction.c] = thread.seen;
      break;
    case "add":
      thread.seen = data[instruction.c] as number;
      data[instruction.c] = (thread.seen + 1) % 3;
      break;
    case "cas":
      thread.seen = data[instruction.c] === instruction.old ? 1 : 0;
      if (thread.seen === 1) data[instruction.c] = instruction.value;
      break;
    case "spin-until":
      if (data[instruction.c] !== instruction.value) return true;
      break;
    case "lock":
      if (locks[instruction.l] !== 0) return false;
      locks[instruction.l] = 1;
      break;
    case "unlock":
      locks[instruction.l] = 0;
      break;
    case "sleep":
      if (!thread.asleep) {
        state.queue.push(t);
        thread.asleep = true;
        return true;
      }
      if (!woken[t]) return false;
      woken[t] = false;
      thread.asleep = false;
      break;
    case "wake-one":
    case "wake-all":
      for (const w of state.queue.splice(0, instruction.do === "wake-one" ? 1 : state.queue.length))
        woken[w] = true;
      break;
    case "spawn":
      if (state.spawned) state.failure = "spawned-once";
      state.spawned = true;
      thread.spawned = true;
      break;
    case "join":
      if (!state.ended) return false;
      break;
    case "fail-if":
    case "skip-unless":
    case "retry-unless":
      throw new Error("not a step");
  }
  thread.at++;
  if (state.failure === null) runLocally(sketch, state, t);
  return true;
}

/** Goes on to the next instruction that is a step, or to the end. */
function runLocally(sketch: Sketch, state: State, t: number): void {
  const thread = state.threads[t] as Thread;
  for (;;) {
    const instruction = pending(sketch, state, t);
    if (instruction === undefined) {
      if (!isTask(sketch, t)) thread.phase = "ended";
      return;
    }
    switch (instruction.do) {
      case "fail-if":
        if (thread.seen === instruction.value) {
          state.failure = "saw";
          return;
        }
        break;
      case "skip-unless":
        if (thread.seen !== instruction.value) thread.at++;
        break;
      case "retry-unless":
        if (thread.seen !== instruction.value && thread.retries > 0) {
          thread.retries--;
          thread.at = -1;
        }
        break;
      case "spawn":
        if (!thread.spawned) return;
        break;
      default:
        return;
    }
    thread.at++;
  }
}

const brokenRules = ({ rules }: Sketch, { data }: State): string[] =>
  rules.flatMap(({ a, x, b, y }, i) => (data[a] === x + 1 && data[b] === y ? [`rule-${i}`] : []));

/** What is said of a state in which nobody can run; null if all who began have ended. */
function deadState(sketch: Sketch, state: State): string | null {
  const waits: string[] = [];
  state.threads.forEach((thread, t) => {
    if (thread.phase !== "runs") return;
    const instruction = pending(sketch, state, t);
    if (instruction?.do === "sleep") waits.push("x");
    else if (instruction?.do === "lock") waits.push(`l${instruction.l}`);
    else waits.push("child.ended");
  });
  if (waits.length === 0) return null;
  const missed = waits.includes("x") && state.data[0] === 1;
  return missed ? "missed-wakeup:x" : `deadlock:${waits.join(" and ")}`;
}
