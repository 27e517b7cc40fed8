// A running thread: a generator and the frames on its stack. Resuming it gives the next operation
// that it asks for, or how it ended.
import { PagelifeBug } from "../base/assert.ts";
import { PagelifeError } from "../base/errors.ts";
import { type Code, Failure, type Operation } from "./access.ts";
import {
  type Frame,
  type FrameListener,
  innermostSite,
  isInstrumented,
  localState,
  running,
  whereIs,
} from "./frames.ts";
import { assertOperation } from "./operation.ts";
import type { PreparedThread } from "./program.ts";
import type { Value } from "./value.ts";

/** What a thread wants next. */
export type Turn =
  | { readonly kind: "wants"; readonly op: Operation }
  | { readonly kind: "done"; readonly value: unknown }
  | { readonly kind: "failed"; readonly property: string; readonly detail: string };

export class ThreadRun {
  readonly #thread: PreparedThread;
  readonly #generator: Code<unknown>;
  readonly #stack: Frame[] = [];
  readonly #listener: FrameListener | null;
  /** What it wants, after the last resume. */
  turn: Turn;

  /** Starts the thread and runs it to its first operation. */
  constructor(thread: PreparedThread, listener: FrameListener | null = null) {
    this.#thread = thread;
    this.#listener = listener;
    this.#generator = thread.start();
    if (!isInstrumented(this.#generator)) {
      throw new PagelifeError("PL203", `thread ${thread.name} is not an instrumented generator function`);
    }
    this.turn = this.#run(undefined);
  }

  /** Hands the thread the result of its operation. */
  resume(result: Value): Turn {
    this.turn = this.#run(result);
    return this.turn;
  }

  /** Its local state, written so that equal text means equal state. */
  localState(): string {
    if (this.turn.kind === "wants") return localState(this.#stack);
    if (this.turn.kind === "failed") return `!${this.turn.property}:${this.turn.detail}`;
    return "end";
  }

  /** The frames on its stack, outermost first. */
  get stack(): readonly Frame[] {
    return this.#stack;
  }

  #run(result: Value): Turn {
    const outer = { ...running };
    // An error unwinds the stack, so where the thread stood must be noted before.
    const stood = innermostSite(this.#stack);
    running.stack = this.#stack;
    running.listener = this.#listener;
    try {
      const { done, value } = this.#generator.next(result);
      if (done) return { kind: "done", value };
      assertOperation(value, `${this.#thread.name} at ${whereIs(innermostSite(this.#stack))}`);
      const { translate } = this.#thread;
      return { kind: "wants", op: translate === undefined ? value : translate(value) };
    } catch (error) {
      if (error instanceof Failure) {
        return { kind: "failed", property: error.property, detail: error.message };
      }
      if (error instanceof PagelifeError || error instanceof PagelifeBug) throw error;
      const { name, message } = error instanceof Error ? error : new Error(String(error));
      throw new PagelifeError(
        "PL207",
        `thread ${this.#thread.name} threw ${name}: ${message} (at ${placeOf(error) ?? `the step after ${whereIs(stood)}`})`,
        { cause: error },
      );
    } finally {
      running.stack = outer.stack;
      running.listener = outer.listener;
    }
  }
}

/** `file:line` of the innermost line of an error's stack that is not our own runtime. */
function placeOf(error: unknown): string | null {
  const stack = error instanceof Error ? (error.stack ?? "") : "";
  for (const line of stack.split("\n")) {
    const place = /^\s+at .*?\(?((?:file:\/\/)?\/[^()]*?):(\d+):\d+\)?$/.exec(line);
    if (place !== null) return `${place[1]?.replace("file://", "")}:${place[2]}`;
  }
  return null;
}
