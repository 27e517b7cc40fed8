// A scenario: a closed world over the kernel, a question, and what is expected of each kernel. What
// no thread of it does does not happen.
import { assert } from "../base/assert.ts";
import { PagelifeError } from "../base/errors.ts";
import type { Code } from "../explore/access.ts";
import { isInstrumented } from "../explore/frames.ts";
import type { Liveness, WatchedLiveness } from "../explore/liveness.ts";
import type { FindingKind } from "../explore/outcome.ts";
import type { Program } from "../explore/program.ts";
import type { Geometry, MmStruct } from "./include/linux/mm_types.ts";
import type { ScenarioInvariant } from "./invariants.ts";
import { type Kernel, type KernelVersion, kernelForScenario, runKernel } from "./kernel.ts";
import { kernelLiveness } from "./liveness.ts";
import { kernelForSetup } from "./setup-errors.ts";
import { wellFormedScenario } from "./well-formed.ts";
import { GEOMETRY, newWorld, type TlbModel } from "./world.ts";

/** One actor. */
export interface ScenarioThread<W> {
  /** Column heading of a diagram: what it does, in the field's words. */
  readonly title: string;
  readonly cpu: number;
  /** The process that it runs in; none if not given. */
  readonly mm?: (w: W) => MmStruct;
  readonly run: (k: Kernel, w: W) => Code<unknown>;
}

/** What a kernel is expected to do, and why. */
export interface Expectation {
  readonly verdict: "holds" | FindingKind | "not-applicable";
  /** The rule or promise that is broken, maybe among others; whichever, if not given. */
  readonly rule?: string;
  /** One sentence; with the commit that changed it, where one did. */
  readonly because: string;
}

/** A change that breaks something on purpose: where the scenario catches it, and where it survives. */
export interface Twin {
  readonly change: string;
  readonly kernel: string;
  readonly tlb?: TlbModel;
  readonly expect: "survives" | FindingKind;
  /** The rule or promise that it breaks, maybe among others; whichever, if not given. */
  readonly rule?: string;
  readonly because: string;
}

export interface Scenario<W = unknown> {
  /** `a-vs-b`, in kebab-case. */
  readonly name: string;
  /** The one question that it asks. */
  readonly question: string;
  /** The claim from the mails that it settles, in our words, and where it was made. */
  readonly claim?: string;
  /** What does not happen, since no thread does it: "nobody munmaps". */
  readonly closed?: string;
  /** Runs alone, through the kernel's own functions. */
  readonly setup: (k: Kernel) => Code<W>;
  readonly threads: Readonly<Record<string, ScenarioThread<W>>>;
  readonly invariants: readonly ScenarioInvariant<NoInfer<W>>[];
  /**
   * What must come to an end; all that there is a name for (`kernelLiveness`), if not given. A wait for ever that breaks
   * another named promise is no finding then. One that breaks none of them is always found.
   */
  readonly liveness?: readonly Liveness[];
  /** The kernels that it is for, by release; all, if not given. On others it is not applicable. */
  readonly onto?: readonly string[];
  /** How the machine flushes TLBs; the weaker `rcu-table-free` if not given. */
  readonly tlb?: TlbModel;
  /** Entries per table; 512, if not given. Searches over huge entries do with 2 to 4. */
  readonly geometry?: Geometry;
  /** By kernel, `v5.18`, or by kernel and changes, `v5.18+fsdax-wakeup/gup-put`. */
  readonly expected?: Readonly<Record<string, Expectation>>;
  readonly twins?: readonly Twin[];
}

/**
 * Declares a scenario.
 *
 * @throws {@link PagelifeError} PL208 if it is not well formed.
 */
export const scenario = <W>(s: Scenario<W>): Scenario => wellFormedScenario(s as unknown as Scenario);

/** The promises that have a name, and which of them are asked for. */
function livenessOf(asked: readonly Liveness[]): WatchedLiveness[] {
  const all = new Set([...kernelLiveness, ...asked]);
  return [...all].map((l) => ({ ...l, watched: asked.includes(l) }));
}

interface Instance {
  readonly w: unknown;
  readonly kernels: Readonly<Record<string, Kernel>>;
  /** The kernel as setup saw it, for invariants. */
  readonly k: Kernel;
}

/** The process that a thread runs in. */
function mmOf(s: Scenario, thread: string, w: unknown): MmStruct | null {
  const { mm } = s.threads[thread] ?? {};
  if (mm === undefined) return null;
  const found = mm(w);
  if (found !== undefined) return found;
  throw new PagelifeError("PL208", `mm of thread ${thread} gives no process: setup returns what it is given`);
}

/** A scenario on a kernel, ready to explore. */
export function programOf(
  s: Scenario,
  version: KernelVersion,
  options: { readonly tlb?: TlbModel | undefined } = {},
): Program<Instance> {
  const specs = Object.entries(s.threads);
  const kernelOf = (instance: Instance, name: string): Kernel => {
    const k = instance.kernels[name];
    assert(k, `thread ${name} has no kernel`);
    return k;
  };
  return {
    name: s.name,
    *setup(): Code<Instance> {
      const tasks = specs.map(([name, { cpu }]) => ({ name, cpu }));
      const world = newWorld(tasks, options.tlb ?? s.tlb ?? "rcu-table-free", s.geometry ?? GEOMETRY);
      const [own, ...others] = world.tasks.map((task) => kernelForScenario(runKernel(version, world, task)));
      assert(own, "setup has no task");
      const code = s.setup(kernelForSetup(own));
      if (!isInstrumented(code)) {
        throw new PagelifeError(
          "PL208",
          `setup of ${s.name} is not a generator function: write *setup(k) {...}`,
        );
      }
      const w = yield* code;
      for (const k of others) k.current.mm = mmOf(s, k.current.name, w);
      const kernels = Object.fromEntries(others.map((k) => [k.current.name, k]));
      return { w, kernels, k: own };
    },
    threads: Object.fromEntries(
      specs.map(([name, { title, cpu, run }]) => [
        name,
        {
          title: `CPU${cpu} ${title}`,
          body: (instance: Instance) => run(kernelOf(instance, name), instance.w),
        },
      ]),
    ),
    invariants: s.invariants.map((i) => ({
      name: i.name,
      at: i.at ?? "every-state",
      check: ({ k, w }, see) => i.check(k, see, w),
    })),
    liveness: livenessOf(s.liveness ?? kernelLiveness),
  };
}
