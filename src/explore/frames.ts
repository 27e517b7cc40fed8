// The runtime half of the instrumentation (`instrument/`): where every frame of the running thread
// stands, with its live locals. Instrumented code reaches it through `globalThis`, because a user's
// file may be compiled to another module format than ours.
import { PagelifeError } from "../base/errors.ts";
import type { Unstarted } from "./unstarted.ts";
import { encode, type FunctionTag, tagFunction } from "./value.ts";

/** A place where a thread can stand: a `yield` or `yield*` of an instrumented function. */
export interface Site {
  /** Unique and the same in every process: `mm/gup.ts#3`. */
  readonly key: string;
  readonly file: string;
  /** 1-based line in the source as written. */
  readonly line: number;
  readonly function: string;
  /** The locals that are part of the state here. */
  readonly locals: readonly string[];
}

/** An instrumented generator function. */
export interface FunctionSite {
  readonly name: string;
  /** Names of the parameters that a frame's `args` are the values of. */
  readonly params: readonly string[];
  readonly file: string;
  readonly line: number;
}

interface LoopPosition {
  readonly values: readonly unknown[];
  index: number;
}

/** One generator on the stack of a thread. */
export interface Frame {
  readonly function: FunctionSite;
  readonly args: readonly unknown[];
  site: Site | null;
  locals: readonly unknown[];
  /** Where the for-of loops of this frame stand, by loop. */
  loops: Map<number, LoopPosition> | null;
  /** What the function returns, once it does. */
  result: unknown;
}

/** Told of every call and return while an execution is recorded. */
export interface FrameListener {
  enter(frame: Frame): void;
  leave(frame: Frame): void;
}

interface Running {
  stack: Frame[];
  listener: FrameListener | null;
  /** Generators that the user's code has made and not started yet; null where nobody asks. */
  unstarted: Unstarted | null;
}

/** The thread that is running now. The engine sets `stack` before it resumes a thread. */
export const running: Running = { stack: [], listener: null, unstarted: null };

/** Marks the prototype of generators that instrumented functions make. */
const instrumented: unique symbol = Symbol.for("pagelife.instrumented");

/** True for a generator whose local state can be seen. */
export const isInstrumented = (generator: unknown): boolean =>
  typeof generator === "object" && generator !== null && instrumented in generator;

/** What instrumented code calls. The names are short because they stand in every compiled line. */
const runtime = {
  /** Marks a generator function as instrumented, and names it. */
  mark<F extends object>(generator: F, name?: string): F {
    const { prototype } = generator as { prototype?: object };
    if (prototype !== undefined) Object.defineProperty(prototype, instrumented, { value: true });
    if (name !== undefined) Object.defineProperty(generator, "name", { value: name, configurable: true });
    return generator;
  },

  /** Marks the generator methods of a class. */
  markClass(made: object): void {
    for (const owner of [made, (made as { prototype: object }).prototype]) {
      for (const name of Reflect.ownKeys(owner)) {
        const value = Object.getOwnPropertyDescriptor(owner, name)?.value;
        if (typeof value === "function" && /^(static\s+)?\*/.test(Function.prototype.toString.call(value))) {
          runtime.mark(value);
        }
      }
    }
  },

  enter(site: FunctionSite, args: readonly unknown[]): Frame {
    const frame: Frame = { function: site, args, site: null, locals: [], loops: null, result: undefined };
    running.stack.push(frame);
    running.listener?.enter(frame);
    return frame;
  },

  leave(frame: Frame): void {
    const at = running.stack.lastIndexOf(frame);
    if (at >= 0) running.stack.length = at;
    running.listener?.leave(frame);
  },

  /** Notes the result of a function. */
  result<T>(frame: Frame, value: T): T {
    frame.result = value;
    return value;
  },

  /** Stamps an operation: the frame stands at `site` with these locals. */
  at<T>(operation: T, frame: Frame, site: Site, locals: readonly unknown[]): T {
    frame.site = site;
    frame.locals = locals;
    return operation;
  },

  /** Stamps a call of another generator, and refuses one whose local state cannot be seen. */
  call<T>(generator: T, frame: Frame, site: Site, locals: readonly unknown[]): T {
    if (!isInstrumented(generator)) {
      throw new PagelifeError(
        "PL203",
        `${site.file}:${site.line}: ${site.function} delegates with yield* to something that is not an instrumented generator`,
      );
    }
    running.unstarted?.started(generator as object);
    frame.site = site;
    frame.locals = locals;
    return generator;
  },

  /** Notes what a call in a file of the user's made, if that is a generator which is still to be run. */
  made<T>(value: T, place: string): T {
    if (running.unstarted !== null && isInstrumented(value)) running.unstarted.made(value as object, place);
    return value;
  },

  /** Makes the position of a for-of loop part of the frame. */
  *loop<T>(frame: Frame, id: number, iterable: Iterable<T>): Generator<T, void, void> {
    const values = [...iterable];
    const position: LoopPosition = { values, index: 0 };
    frame.loops ??= new Map();
    frame.loops.set(id, position);
    try {
      for (const value of values) {
        position.index++;
        yield value;
      }
    } finally {
      frame.loops.delete(id);
    }
  },

  /** Gives a function literal its identity: where it stands, and the constants that it captures. */
  fn<F extends object>(literal: F, site: string, captures: () => readonly unknown[], unstable?: string): F {
    const tag: FunctionTag = unstable === undefined ? { site, captures } : { site, captures, unstable };
    tagFunction(literal, tag);
    return literal;
  },
};

export type Runtime = typeof runtime;

/** The key under which instrumented code finds the runtime on `globalThis`. */
export const runtimeSymbol = Symbol.for("pagelife.runtime");
(globalThis as Record<symbol, unknown>)[runtimeSymbol] = runtime;

/** Writes the local state of the running thread: for each frame, where it stands and its live locals. */
export function localState(stack: readonly Frame[]): string {
  let text = "";
  for (const frame of stack) {
    const { site } = frame;
    if (site === null) continue;
    text += `${site.key}(`;
    for (let i = 0; i < frame.locals.length; i++) {
      text += `${i === 0 ? "" : ","}${encode(frame.locals[i], `local "${site.locals[i]}" of ${site.function} (${site.file}:${site.line})`)}`;
    }
    if (frame.loops !== null) {
      for (const [id, { values, index }] of frame.loops) {
        text += `;${id}@${index}${encode(values, `a for-of loop of ${site.function} (${site.file}:${site.line})`)}`;
      }
    }
    text += ")/";
  }
  return text;
}

/** True for a generator that never ran. One that did is run to its next yield, so ask only at the end. */
export function neverRan(generator: object): boolean {
  const outer = { ...running };
  let began = false;
  const enter = (): never => {
    began = true;
    throw new Error("only asked whether it begins");
  };
  Object.assign(running, { stack: [], listener: { enter, leave: () => {} }, unstarted: null });
  try {
    (generator as Generator).next();
  } catch {
    // What a generator that ran throws at its end is of no interest.
  } finally {
    Object.assign(running, outer);
  }
  return began;
}

/** The place of the innermost frame that has yielded and is not one of our primitives. */
export const innermostSite = (stack: readonly Frame[]): Site | null =>
  stack.findLast((f) => f.site !== null && f.site.file !== "explore/access.ts")?.site ?? null;

/** `file:line` of a place. */
export const whereIs = (site: Site | null): string => (site ? `${site.file}:${site.line}` : "its start");
