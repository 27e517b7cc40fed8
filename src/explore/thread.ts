// A running thread: a generator and the frames on its stack. Resuming it gives the next operation
// that it asks for, or how it ended.
import { PagelifeError } from "../base/errors.ts";
import { type Code, Failure, type Operation } from "./access.ts";
import { errorOf } from "./error-of.ts";
import {
  type Frame,
  type FrameListener,
  innermostSite,
  isInstrumented,
  localState,
  neverRan,
  running,
  whereIs,
} from "./frames.ts";
import { assertOperation } from "./operation.ts";
import type { PreparedThread } from "./program.ts";
import { mayComeOfForgotten, Unstarted } from "./unstarted.ts";
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
  readonly #unstarted = new Unstarted();
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
    running.unstarted = this.#unstarted;
    try {
      const { done, value } = this.#generator.next(result);
      if (done) {
        this.#unstarted.assertNone(neverRan);
        return { kind: "done", value };
      }
      assertOperation(value, `${this.#thread.name} at ${whereIs(innermostSite(this.#stack))}`);
      const { translate } = this.#thread;
      return { kind: "wants", op: translate === undefined ? value : translate(value) };
    } catch (error) {
      if (error instanceof Failure) {
        return { kind: "failed", property: error.property, detail: error.message };
      }
      // What was never run is what the rest went wrong for.
      if (mayComeOfForgotten(error)) this.#unstarted.assertNone(neverRan);
      throw errorOf(`thread ${this.#thread.name}`, error, `the step after ${whereIs(stood)}`);
    } finally {
      running.stack = outer.stack;
      running.listener = outer.listener;
      running.unstarted = outer.unstarted;
    }
  }
}
