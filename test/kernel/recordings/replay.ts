// A workload on the subsystem, one operation after the other, as the recorded one was on a real kernel. An operation
// that sleeps stays asleep while others go on.
import type { Pfn } from "../../../src/base/brand.ts";
import { Machine } from "../../../src/conformance/machine.ts";
import type { Code, See } from "../../../src/explore/access.ts";
import type { AddressSpace } from "../../../src/kernel/include/linux/fs.ts";
import { isTail, largeCounts, pfn_to_page } from "../../../src/kernel/include/linux/mm.ts";
import {
  PAGE_MAPPING_DAX_SHARED,
  type Page,
  type PageMapping,
  TAIL_MAPPING,
} from "../../../src/kernel/include/linux/mm_types.ts";
import { PG_head } from "../../../src/kernel/include/linux/page-flags.ts";
import { type Kernel, type KernelVersion, runKernel } from "../../../src/kernel/kernel.ts";
import { newWorld } from "../../../src/kernel/world.ts";
import { Histories, type Look, Numbers, type Recording } from "./recording.ts";

/** An operation that may sleep. */
export interface Started {
  /** Has it come to its end? */
  ended(): boolean;
  /** Lets it go on, if it can. */
  goOn(): void;
}

export class Replay {
  /** The thread that does one thing after another, and one that may sleep meanwhile. */
  readonly k: Kernel;
  readonly other: Kernel;
  readonly #machine: Machine;
  readonly #histories = new Histories();
  readonly #pages = new Numbers<number>();
  readonly #files = new Numbers<AddressSpace>();
  readonly #looks: Look[] = [];

  constructor(version: KernelVersion) {
    this.#machine = new Machine((name, value) => {
      const [, pfn] = /^page\[(0x[0-9a-f]+)\]\._refcount$/.exec(name) ?? [];
      if (pfn !== undefined) this.#histories.note(Number(pfn), Number(value));
    });
    [this.k, this.other] = this.#machine.within(() => {
      const tasks = ["p0", "p1"].map((name, cpu) => ({ name, cpu }));
      const world = newWorld(tasks, "ipi", { PTRS_PER_PTE: 512, PTRS_PER_PMD: 512 });
      const [, ...kernels] = world.tasks.map((task) => runKernel(version, world, task));
      const [first, second] = kernels;
      if (first === undefined || second === undefined) throw new Error("a machine has two threads");
      return [first, second];
    });
  }

  /** Makes something that exists from setup only. */
  make<T>(body: () => T): T {
    return this.#machine.within(body);
  }

  /** Runs an operation to its end. */
  do<T>(operation: Code<T>): T {
    const activity = this.#machine.start(operation);
    this.#machine.advance(activity);
    if (activity.result === null) throw new Error("an operation sleeps that should not");
    return activity.result;
  }

  /** Begins an operation, which runs until it ends or sleeps. */
  start(operation: Code<unknown>): Started {
    const activity = this.#machine.start(operation);
    this.#machine.advance(activity);
    return {
      ended: () => activity.result !== null,
      goOn: () => {
        this.#machine.advance(activity);
      },
    };
  }

  readonly see: See = (cell) => this.#machine.see(cell);

  /** Looks at the struct page of a page frame. */
  look(at: string, pfn: Pfn): void {
    const page = pfn_to_page(this.k, pfn);
    const { see } = this;
    const tail = isTail(see(page.pgmap));
    const head = !tail && (see(page.flags) & PG_head) !== 0;
    this.#looks.push({
      at,
      page: this.#pages.of(pfn),
      _refcount: see(page._refcount),
      _mapcount: see(page._mapcount),
      part: tail ? "tail" : head ? "head" : "small",
      mapping: tail ? tailMapping(see(page.mapping)) : this.#mapping(see(page.mapping)),
      index: tail ? null : see(page.index),
      counts: head ? this.#counts(page) : null,
    });
  }

  #mapping(word: PageMapping): string {
    if (word === null) return "none";
    return word === PAGE_MAPPING_DAX_SHARED ? "shared" : `file ${this.#files.of(word as AddressSpace)}`;
  }

  #counts(head: Page): Look["counts"] {
    const first = pfn_to_page(this.k, (head.pfn + 1) as Pfn);
    const { _entire_mapcount, _pincount } = largeCounts(this.see(first.mapping));
    return { _large_mapcount: this.see(first._large_mapcount), _entire_mapcount, _pincount };
  }

  /** What was seen, and the first warning that the kernel gave. */
  result(): Recording & { readonly warning: string | null } {
    return { looks: this.#looks, counts: this.#histories.inOrder(), warning: this.see(this.k.world.warning) };
  }
}

const tailMapping = (word: PageMapping): string => (word === TAIL_MAPPING ? "not a mapping" : "counts");
