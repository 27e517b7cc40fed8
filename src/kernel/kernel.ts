// A kernel version is a table of functions under their kernel names, built in layers: a base, and
// named changes on top, each replacing whole functions. A function calls others through the kernel
// that it runs in (`k.folio_put(folio)`), so a layer on top takes effect everywhere; what a change
// replaced is `k.below`.
import { PagelifeError } from "../base/errors.ts";
import type { Code } from "../explore/access.ts";
import { identity, type Modelled } from "../explore/value.ts";
import { guardOf } from "./use.ts";
import { wellFormedChange } from "./well-formed.ts";
import type { Task, World } from "./world.ts";

/** The functions of a kernel, by name. Each file of `src/kernel` adds its own by declaration merging. */
// biome-ignore lint/suspicious/noEmptyInterface: files of the kernel extend it
export interface KernelFunctions {}

/** What a function of the table looks like from its callers: without the kernel. */
type Bound<F> = F extends (k: Kernel, ...args: infer A) => infer R ? (...args: A) => R : never;

/** The functions of a kernel as they are called. */
export type KernelCalls = { readonly [Name in keyof KernelFunctions]: Bound<KernelFunctions[Name]> };

/** A kernel as one task sees it while it runs: `k.current` is the task. */
export interface Kernel extends KernelCalls, Modelled {
  /** `v6.12`, with the names of changes on top after a plus. */
  readonly release: string;
  /** What the layer of the running function replaced. */
  readonly below: KernelCalls;
  readonly current: Task;
  readonly world: World;
  /** What scenarios cannot do with this kernel yet, by the name of the function; and why. */
  readonly lacks: Lacks;
}

export type Lacks = Readonly<Record<string, string>>;

export type FunctionName = keyof KernelFunctions;

/** A named layer: what a patch, a series, or a proposal from a mail does to a kernel. */
export interface Change {
  /** Unique: `fsdax-wakeup/folio-put`; twins begin with `twin/`. */
  readonly name: string;
  /** Subject of the patch or mail, or one sentence. */
  readonly subject: string;
  /** Commit, Message-ID or archive address; for a twin, `twin`. */
  readonly source: string;
  /** What it is meant to fix or to break, and how it was before. */
  readonly about?: string;
  /** The kernels that it goes onto, by release; any, if not given. */
  readonly onto?: readonly string[];
  /** Names of changes that stand below it when both are there and replace one function. */
  readonly after?: readonly string[];
  /** The functions as they read with the change. */
  readonly functions: Partial<KernelFunctions>;
  /** Functions that the kernel below does not have. */
  readonly adds?: Partial<KernelFunctions>;
  /** Names of functions that scenarios can call from here on, and not on the kernel below. */
  readonly brings?: readonly string[];
}

/**
 * Declares a change.
 *
 * @throws {@link PagelifeError} PL208 if it is not well formed.
 */
export const change = (c: Change): Change => wellFormedChange(c);

/** A kernel version: a table of functions, and the layers that it was built from. */
export interface KernelVersion {
  readonly release: string;
  readonly layers: readonly Layer[];
  readonly lacks: Lacks;
}

interface Layer {
  /** Null for the base. */
  readonly change: Change | null;
  readonly functions: Readonly<Record<string, TableFunction>>;
}

type TableFunction = (k: Kernel, ...args: never[]) => unknown;

/** The first kernel: all functions there are, and which of them scenarios cannot call yet. */
export const baseKernel = (
  release: string,
  functions: Partial<KernelFunctions>,
  lacks: Lacks = {},
): KernelVersion => ({
  release,
  lacks,
  layers: [{ change: null, functions: functions as unknown as Layer["functions"] }],
});

/** A later kernel: an earlier one, and what changed until then. */
export function laterKernel(release: string, from: KernelVersion, changes: readonly Change[]): KernelVersion {
  const built = changes.reduce((version, c) => applyChange(version, c, changes), from);
  return { ...built, release };
}

/**
 * Puts changes onto a kernel, in the order given.
 *
 * @throws {@link PagelifeError} PL301 if one replaces a function that is not there, PL302 if two
 *   replace one function without saying which is on top, PL303 if one does not go onto this kernel.
 */
export function withChanges(version: KernelVersion, changes: readonly Change[]): KernelVersion {
  for (const c of changes) {
    if (c.onto !== undefined && !c.onto.includes(version.release)) {
      throw new PagelifeError(
        "PL303",
        `${c.name} goes onto ${c.onto.join(", ")}; this kernel is ${version.release}`,
      );
    }
    if (version.layers.some((l) => l.change?.name === c.name)) {
      throw new PagelifeError("PL303", `${version.release} has ${c.name} already`);
    }
  }
  const built = changes.reduce((below, c) => applyChange(below, c, changes), version);
  for (const c of changes) assertSameKind(version, c);
  return built;
}

const isGeneratorFunction = (f: unknown): boolean =>
  Object.prototype.toString.call(f) === "[object GeneratorFunction]";

/** What callers delegate to must stay a generator function. */
function assertSameKind({ layers }: KernelVersion, c: Change): void {
  for (const [name, f] of Object.entries(c.functions)) {
    const old = layers.findLast((l) => name in l.functions)?.functions[name];
    if (isGeneratorFunction(old) && !isGeneratorFunction(f)) {
      throw new PagelifeError("PL208", `${c.name} has ${name}() as a plain function; write *${name}(...)`);
    }
  }
}

function applyChange(version: KernelVersion, c: Change, together: readonly Change[]): KernelVersion {
  const replaced = Object.keys(c.functions);
  for (const name of replaced) {
    if (!version.layers.some((l) => name in l.functions)) {
      throw new PagelifeError(
        "PL301",
        `${c.name} replaces ${name}(), which ${version.release} does not have`,
      );
    }
  }
  const earlier = together.slice(0, together.indexOf(c));
  for (const other of earlier) {
    const both = replaced.find((name) => name in other.functions);
    if (both !== undefined && !c.after?.includes(other.name)) {
      throw new PagelifeError(
        "PL302",
        `${other.name} and ${c.name} both replace ${both}(); say in one of them that it goes after the other`,
      );
    }
  }
  const functions = { ...c.adds, ...c.functions } as unknown as Layer["functions"];
  const lacks = Object.fromEntries(
    Object.entries(version.lacks).filter(([name]) => !c.brings?.includes(name)),
  );
  return { ...version, lacks, layers: [...version.layers, { change: c, functions }] };
}

/** The names of all functions of a kernel, and the layer that each comes from. */
export function functionsOf(version: KernelVersion): Map<string, Change | null> {
  const found = new Map<string, Change | null>();
  for (const { change: c, functions } of version.layers) {
    for (const name of Object.keys(functions)) found.set(name, c);
  }
  return found;
}

/** Which layer each function comes from when all above `top` are left out. */
function resolve({ layers }: KernelVersion, top: number): Map<string, number> {
  const found = new Map<string, number>();
  for (let i = 0; i <= top; i++) {
    for (const name of Object.keys(layers[i]?.functions ?? {})) found.set(name, i);
  }
  return found;
}

/** Binds a function of a table to the kernel that calls it. */
const bind = Symbol("bind");

interface Binder {
  [bind](name: string, layer: number): unknown;
}

/** By version, and the layer that all above is left out of: what is the same for every task. */
const tables = new WeakMap<KernelVersion, Map<number, object>>();

/** A prototype with a getter for each function: most of them never run, and binding all takes longer than most runs. */
function tableUpTo(version: KernelVersion, top: number): object {
  const known = tables.get(version) ?? new Map<number, object>();
  tables.set(version, known);
  const made = known.get(top) ?? {};
  if (known.has(top)) return made;
  known.set(top, made);
  for (const [name, layer] of resolve(version, top)) {
    Object.defineProperty(made, name, {
      get(this: Binder) {
        return this[bind](name, layer);
      },
    });
  }
  return made;
}

/**
 * A kernel that runs as a task: its functions, each bound to it when it is first called. Each layer has a kernel of its
 * own, which differs in `below` only.
 */
export function runKernel(version: KernelVersion, world: World, task: Task): Kernel {
  const { layers, release, lacks } = version;
  const kernels: Kernel[] = [];

  const callsUpTo = (top: number): object => {
    const calls: object = Object.create(tableUpTo(version, top), {
      [bind]: {
        value(name: string, layer: number) {
          const fn = layers[layer]?.functions[name] as TableFunction;
          const guard = guardOf(name);
          const value = (...args: never[]): unknown => {
            guard?.(args);
            return fn(kernelOf(layer), ...args);
          };
          Object.defineProperty(calls, name, { value });
          return value;
        },
      },
    });
    return calls;
  };
  const all = callsUpTo(layers.length - 1);
  const kernelOf = (layer: number): Kernel => {
    const known = kernels[layer];
    if (known !== undefined) return known;
    let below: object | null = null;
    const own = {
      release,
      lacks,
      world,
      current: task,
      [identity]: `k:${task.name}:${layer}`,
      get below() {
        below ??= callsUpTo(layer - 1);
        return below;
      },
    };
    const made = Object.setPrototypeOf(own, all) as Kernel;
    kernels[layer] = made;
    return made;
  };
  return kernelOf(layers.length - 1);
}

/**
 * A kernel as a scenario calls it: what it does not have says so. Its own functions may call what a scenario cannot.
 */
export function kernelForScenario(k: Kernel): Kernel {
  const missing = Object.keys(k.lacks).map((name) => [name, () => requireInKernel(k, name)] as const);
  return missing.length === 0 ? k : (Object.setPrototypeOf(Object.fromEntries(missing), k) as Kernel);
}

/** @throws {@link PagelifeError} PL304 if scenarios cannot do that with this kernel yet. */
export function requireInKernel({ lacks, release }: Kernel, name: string): void {
  const why = lacks[name];
  if (why !== undefined) throw new PagelifeError("PL304", `${release} has no ${name}(): ${why}`);
}

export type { Code };
