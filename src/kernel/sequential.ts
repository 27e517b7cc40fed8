// Running operations one after another, alone: what a real machine does when nobody interferes. For
// comparing counts with tables and with real kernels; what interleaves belongs in a scenario.
import { assert } from "../base/assert.ts";
import { pfn as toPfn } from "../base/brand.ts";
import { requireUse } from "../base/errors.ts";
import { Arena, type Code, type See } from "../explore/access.ts";
import { perform } from "../explore/operation.ts";
import { Interner, type Value } from "../explore/value.ts";
import { countsOf, type PageCounts } from "./counts.ts";
import { pfn_to_page } from "./include/linux/mm.ts";
import type { Geometry, MmStruct } from "./include/linux/mm_types.ts";
import { type Kernel, type KernelVersion, runKernel } from "./kernel.ts";
import { GEOMETRY, newWorld, type TlbModel } from "./world.ts";

/** An operation that would wait or go on for ever, since nobody else runs. */
export interface Blocked {
  readonly blocked: string;
}

/** A machine on which one thing happens after another. */
export interface Machine {
  readonly k: Kernel;
  /** Looks into a cell. */
  readonly see: See;
  /**
   * Runs an operation to its end, in a process if one is named.
   *
   * @returns what it returns, or what it waits for. A machine on which something waits, or goes on without end, is not to
   * be used further.
   */
  run<T>(operation: (k: Kernel) => Code<T>, mm?: MmStruct | null): T | Blocked;
  /** The counts of a page, by its page frame number. */
  counts(pfn: number): PageCounts;
  /** The first warning that the kernel gave, or null. */
  warning(): string | null;
}

export interface SequentialOptions {
  readonly tlb?: TlbModel;
  readonly geometry?: Geometry;
  /** Told of every write that changes a cell, with the cell's name. */
  readonly onChange?: (name: string, value: Value) => void;
}

/** Steps after which an operation counts as one without end. */
const STEP_LIMIT = 1_000_000;

export const isBlocked = (result: unknown): result is Blocked =>
  typeof result === "object" && result !== null && "blocked" in result;

/**
 * Boots a kernel, one of `kernels` from `pagelife/kernels`, on a machine with one CPU and nobody else.
 *
 * @example
 * const { run, counts } = boot(kernel);
 * run(function* (k) {
 *   const mm = createProcess(k, "mm", 1);
 *   const inode = yield* createFile(k, mountDax(k, 1), "file", 1);
 *   yield* mapFile(k, mm, inode, 0, 1);
 *   yield* k.touch(mm, 0, true);
 * });
 * counts(0x40); // { refcount: 1, mapcount: 0, … } on v6.12
 * @throws {@link PagelifeError} PL210 if it is given no kernel.
 */
export function boot(version: KernelVersion, options: SequentialOptions = {}): Machine {
  const isKernel = typeof version === "object" && Array.isArray(version.layers);
  requireUse(
    isKernel,
    `boot() takes one of kernels, from pagelife/kernels, and was given ${String(version)}`,
  );
  const arena = new Arena();
  const memory: Value[] = [];
  const values = new Interner();
  const k = arena.within(() => {
    const world = newWorld([], options.tlb ?? "rcu-table-free", options.geometry ?? GEOMETRY);
    const [task] = world.tasks;
    assert(task, "a machine has no task");
    return runKernel(version, world, task);
  });
  const fillMemory = (): void => {
    for (let i = memory.length; i < arena.cells.length; i++) memory.push(arena.cells[i]?.initial);
  };
  const see: See = (cell) => {
    fillMemory();
    return memory[cell.id] as never;
  };
  return {
    k,
    see,
    run: (operation, mm) =>
      arena.within(() => {
        if (mm !== undefined) k.current.mm = mm;
        const code = operation(k);
        let turn = code.next();
        for (let steps = 0; !turn.done; steps++) {
          if (steps > STEP_LIMIT) return { blocked: "nothing: it goes on without end" };
          fillMemory();
          const done = perform(turn.value, memory);
          if (done === null) {
            const wait = turn.value.op === "acquire" ? turn.value.wait : undefined;
            const cells = turn.value.op === "acquire" ? turn.value.cells : [];
            return { blocked: wait?.text ?? cells.map((c) => c.name).join(", ") };
          }
          // As in a search: values that are written alike are one value.
          for (const { cell, value } of done.writes) {
            const next = values.canonical(value);
            if (next !== memory[cell]) options.onChange?.(arena.cells[cell]?.name ?? "", next);
            memory[cell] = next;
          }
          turn = code.next(values.canonical(done.result));
        }
        return turn.value;
      }),
    counts: (pfn) => countsOf(k, see, pfn_to_page(k, toPfn(pfn))),
    warning: () => see(k.world.warning),
  };
}
