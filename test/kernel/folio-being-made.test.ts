// The rule about mapcounts, on a huge folio: silent from the first step of its making to the end, loud where
// one entry counts for more mappings than it holds references.
import { expect, it } from "vitest";
import { kernels } from "../../src/changes/kernels.ts";
import { explore } from "../../src/explore/explore.ts";
import { mapcountWithinCount } from "../../src/kernel/invariants.ts";
import { change, withChanges } from "../../src/kernel/kernel.ts";
import { programOf, scenario } from "../../src/kernel/scenario.ts";
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
