import type { MmStruct, VmArea } from "../kernel/include/linux/mm_types.ts";
import { VM_WRITE } from "../kernel/include/linux/mm_types.ts";
import {
  mapcountCountsMappings,
  noWarning,
  referencesAddUp,
  rssCountsMappings,
} from "../kernel/invariants.ts";
import { READ_ONCE } from "../kernel/lib/atomic.ts";
import { type Expectation, scenario } from "../kernel/scenario.ts";
import { addRam, createChild, createFile, createProcess, mapFile, mountDax } from "../kernel/setup.ts";

interface World {
  readonly parent: MmStruct;
  readonly child: MmStruct;
  readonly vma: VmArea;
}

const notCopied: Expectation = {
  verdict: "holds",
  because: "a huge entry of a file is not copied: the child faults when it looks",
};

export const forkVsMunmapOfHugePage = scenario<World>({
  name: "fork-vs-munmap-of-huge-page",
  question: "Does a child count what it inherits of a private mapping with huge entries?",
  claim:
    "Entries of counted folios must not be marked special (changelog of mm/huge_memory: don't mark refcounted folios " +
    "special in vmf_insert_folio_pmd()). That fork() copies what is special is our reading of copy_huge_pmd().",
  closed: "The mapping has a page of its own beside the huge entry, so that fork() copies entries at all.",
  geometry: { PTRS_PER_PTE: 2, PTRS_PER_PMD: 2 },
  *setup(k) {
    const sb = mountDax(k, 4);
    yield* addRam(k, 2);
    const inode = yield* createFile(k, sb, "file", 4);
    const parent = createProcess(k, "parent", 4);
    const vma = yield* mapFile(k, parent, inode, 0, 4, VM_WRITE);
    const child = yield* createChild(k, parent, "child");
    yield* k.touch(parent, 0, false);
    yield* k.touch(parent, 2, true);
    return { parent, child, vma };
  },
  threads: {
    fork: {
      title: "fork; the child exits",
      cpu: 0,
      mm: ({ parent }) => parent,
      *run(k, { parent, child }) {
        yield* k.dup_mmap(parent, child);
        const vmas = yield* READ_ONCE(child.mm_mt);
        for (const vma of vmas) yield* k.munmap(vma);
      },
    },
    munmap: {
      title: "munmap by another thread of the parent",
      cpu: 1,
      mm: ({ parent }) => parent,
      *run(k, { vma }) {
        yield* k.munmap(vma);
      },
    },
  },
  invariants: [mapcountCountsMappings, rssCountsMappings, referencesAddUp, noWarning],
  expected: {
    "v5.10": notCopied,
    "v5.18": notCopied,
    "v6.1": notCopied,
    "v6.12": notCopied,
    "v6.15": {
      verdict: "invariant",
      rule: "mapcount-counts-mappings",
      because:
        "the entry is special, and copied without a count: two map the folio, which counts one, and each will drop one. " +
        "Our prediction from the source, not seen on a machine",
    },
    "v7.2": notCopied,
  },
});
