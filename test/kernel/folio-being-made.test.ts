// The rule about mapcounts, on a huge folio: silent from the first step of its making to the end, loud where
// one entry counts for more mappings than it holds references.
import { expect, it } from "vitest";
import { pfn } from "../../src/base/brand.ts";
import { kernels } from "../../src/changes/kernels.ts";
import { explore } from "../../src/explore/explore.ts";
import { mapcountWithinCount, noWarning } from "../../src/kernel/invariants.ts";
import { change, withChanges } from "../../src/kernel/kernel.ts";
import { programOf, scenario } from "../../src/kernel/scenario.ts";
import { FIRST_PFN } from "../../src/kernel/setup.ts";
import { mappedFile } from "../../src/scenarios/furniture.ts";

const firstTouch = scenario({
  name: "first-touch-of-huge-page",
  question: "Are the counts of a folio right while it is made?",
  geometry: { PTRS_PER_PTE: 2, PTRS_PER_PMD: 2 },
  *setup(k) {
    return yield* mappedFile(k, "ext4", 2);
  },
  threads: {
    touch: {
      title: "touch",
      cpu: 0,
      mm: ({ mm }) => mm,
      *run(k, { mm }) {
        yield* k.touch(mm, 0, true);
      },
    },
  },
  invariants: [mapcountWithinCount],
});

const countsTooMuch = change({
  name: "twin/mapped-thrice",
  subject: "the mapcount of a huge folio rises thrice with one entry",
  source: "twin",
  functions: {
    *folio_add_file_rmap_pmd(k, folio) {
      for (let i = 0; i < 3; i++) yield* k.below.folio_add_file_rmap_pmd(folio);
    },
  },
});

it.each(kernels)("a huge folio is made on $release", (version) => {
  expect(explore(programOf(firstTouch, version)).verdict).toBe("holds");
});

it.each(kernels.slice(-2))("a wrong mapcount of a huge folio is seen on $release", (version) => {
  const { kind } = explore(programOf(firstTouch, withChanges(version, [countsTooMuch])));
  expect(kind).toBe("invariant");
});

// prep_compound_tail() stores TAIL_MAPPING before compound_head (mm/internal.h, v6.15 and v7.2).
it.each(kernels.slice(-2))("memory failure may find a tail that is not yet one on $release", (version) => {
  const failure = scenario({
    ...firstTouch,
    name: "memory-failure-vs-first-touch",
    threads: {
      ...firstTouch.threads,
      failure: {
        title: "memory failure",
        cpu: 1,
        *run(k) {
          yield* k.memory_failure_dev_pagemap(pfn(FIRST_PFN + 1));
        },
      },
    },
    invariants: [noWarning],
  });
  const { property, counterexample } = explore(programOf(failure, version));
  expect([property, counterexample?.finding.detail]).toEqual([
    "no-dereference-of-a-mark",
    "dax_lock_folio() takes TAIL_MAPPING, the poison of a tail, for the mapping of pfn 0x41",
  ]);
});
