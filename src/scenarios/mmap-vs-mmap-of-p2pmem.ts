import type { Inode } from "../kernel/include/linux/fs.ts";
import type { VmArea } from "../kernel/include/linux/mm_types.ts";
import {
  countNotBelowIdle,
  mappedPageIsReferenced,
  noWarning,
  pooledPageIsUnused,
  referencesAddUp,
  rssCountsMappings,
} from "../kernel/invariants.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { type Expectation, type ScenarioThread, scenario } from "../kernel/scenario.ts";
import { createProcess, prepareMapping } from "../kernel/setup.ts";
import { createP2pmem } from "../kernel/setup-device.ts";

interface World {
  readonly first: VmArea;
  readonly second: VmArea;
}

/** A mapping that is yet to be made, of a process of its own. */
const mapping = (k: Kernel, name: string, file: Inode): VmArea =>
  prepareMapping(k, createProcess(k, name, 1), file, 0, 1);

const maps = (cpu: number, who: keyof World): ScenarioThread<World> => ({
  title: "mmap",
  cpu,
  mm: (w) => w[who].vm_mm,
  *run(k, w) {
    yield* k.mmap(w[who]);
  },
});

const oneGetsIt: Expectation = { verdict: "holds", because: "one gets the page, the other -ENOMEM" };

export const mmapVsMmapOfP2pmem = scenario<World>({
  name: "mmap-vs-mmap-of-p2pmem",
  question: "Does a process that cannot map memory of a PCI device give it back before another gets it?",
  claim:
    "Our reading of p2pmem_alloc_mmap() of v7.2: where vm_insert_page() fails, the page goes to the pool, and its count is set " +
    "to 0 after that. A prediction, not seen on a machine.",
  closed:
    "The device has one page. On the kernels as they are nothing fails: what happens then is what the twins are for.",
  *setup(k) {
    const file = createP2pmem(k, 1);
    return { first: mapping(k, "first", file), second: mapping(k, "second", file) };
  },
  threads: { first: maps(0, "first"), second: maps(1, "second") },
  invariants: [
    pooledPageIsUnused,
    mappedPageIsReferenced,
    countNotBelowIdle,
    rssCountsMappings,
    referencesAddUp,
    noWarning,
  ],
  expected: { "v6.12": oneGetsIt, "v6.15": oneGetsIt, "v7.2": oneGetsIt },
  twins: [
    {
      change: "twin/p2pmem-mmap-fails-for-first",
      kernel: "v7.2",
      expect: "invariant",
      rule: "mapped-page-is-referenced",
      because: "the second has the page from the pool, and mapped it, when the first sets its count to 0",
    },
    {
      change: "twin/p2pmem-mmap-fails-for-first",
      kernel: "v6.12",
      expect: "survives",
      because: "a page in the pool has a count of 1, and the way out leaves it alone",
    },
  ],
});
