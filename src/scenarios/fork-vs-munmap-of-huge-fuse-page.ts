import type { MmStruct, VmArea } from "../kernel/include/linux/mm_types.ts";
import { mapcountCountsMappings, noWarning, referencesAddUp } from "../kernel/invariants.ts";
import { READ_ONCE } from "../kernel/lib/atomic.ts";
import { type Expectation, scenario } from "../kernel/scenario.ts";
import { createChild } from "../kernel/setup.ts";
import { mappedFile } from "./furniture.ts";

interface World {
  readonly mm: MmStruct;
  readonly child: MmStruct;
  readonly vma: VmArea;
}

const notCopied: Expectation = {
  verdict: "holds",
  because: "copy_huge_pmd() leaves the huge entry of a file to the child's own fault",
};

export const forkVsMunmapOfHugeFusePage = scenario<World>({
  name: "fork-vs-munmap-of-huge-fuse-page",
  question: "Does a child count what it inherits of a shared mapping of virtio-fs with a huge entry?",
  claim:
    "Entries of counted folios must not be marked special (changelog of mm/huge_memory: don't mark refcounted folios " +
    "special in vmf_insert_folio_pmd()). That a shared mapping of virtio-fs is enough to meet it is our reading: " +
    "fuse_dax_mmap() sets VM_MIXEDMAP, and fork() copies the entries of such mappings.",
  closed: "The mapping is shared: it has no page of its own, for which fork() would copy it, too.",
  geometry: { PTRS_PER_PTE: 2, PTRS_PER_PMD: 2 },
  *setup(k) {
    const { mm, vma } = yield* mappedFile(k, "fuse", 2);
    const child = yield* createChild(k, mm, "child");
    yield* k.touch(mm, 0, true);
    return { mm, child, vma };
  },
  threads: {
    fork: {
      title: "fork; the child exits",
      cpu: 0,
      mm: ({ mm }) => mm,
      *run(k, { mm, child }) {
        yield* k.dup_mmap(mm, child);
        const vmas = yield* READ_ONCE(child.mm_mt);
        for (const vma of vmas) yield* k.munmap(vma);
      },
    },
    munmap: {
      title: "munmap by another thread of the parent",
      cpu: 1,
      mm: ({ mm }) => mm,
      *run(k, { vma }) {
        yield* k.munmap(vma);
      },
    },
  },
  invariants: [referencesAddUp, mapcountCountsMappings, noWarning],
  expected: {
    "v5.10": notCopied,
    "v5.18": notCopied,
    "v6.1": notCopied,
    "v6.12": notCopied,
    "v6.15": {
      verdict: "invariant",
      rule: referencesAddUp.name,
      because:
        "vma_needs_copy() says yes of VM_MIXEDMAP; the entry is special, and goes to set_pmd in copy_huge_pmd(): two map " +
        "the folio, which counts one, and zap_huge_pmd() drops one for each. Our prediction from the source",
    },
    "v7.2": notCopied,
  },
});
