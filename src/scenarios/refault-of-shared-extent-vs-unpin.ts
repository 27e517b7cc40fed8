import type { Code } from "../explore/access.ts";
import type { MmStruct, Page } from "../kernel/include/linux/mm_types.ts";
import {
  associationsCountEntries,
  mapcountCountsMappings,
  noWarning,
  pgmapIsValid,
  pinsArePutAsTaken,
  referencedFolioStaysInFile,
  referencesAddUp,
} from "../kernel/invariants.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { scenario } from "../kernel/scenario.ts";
import { createProcess, mapFile } from "../kernel/setup.ts";
import { dropPages, holdPage, pinPage } from "./furniture.ts";
import { reflinkedFiles } from "./reflinked-files.ts";

interface World {
  readonly other: MmStruct;
  readonly pages: readonly Page[];
}

/** A page of a shared block, mapped and held by one process; another maps the file, too. */
function* held(k: Kernel, pages: number, hold: (k: Kernel) => Code<readonly Page[]>): Code<World> {
  const { one } = yield* reflinkedFiles(k, pages);
  const mm = createProcess(k, "mm1", pages);
  yield* mapFile(k, mm, one, 0, pages);
  k.current.mm = mm;
  yield* k.touch(mm, 0, false);
  const taken = yield* hold(k);
  const other = createProcess(k, "mm2", pages);
  yield* mapFile(k, other, one, 0, pages);
  return { other, pages: taken };
}

const read = {
  title: "load by another process",
  cpu: 0,
  mm: ({ other }: World) => other,
  *run(k: Kernel, { other }: World): Code {
    yield* k.touch(other, 0, false);
  },
};

const invariants = [
  referencedFolioStaysInFile,
  pgmapIsValid,
  pinsArePutAsTaken,
  associationsCountEntries,
  mapcountCountsMappings,
  referencesAddUp,
  noWarning,
];

export const refaultOfSharedExtentVsUnpin = scenario<World>({
  name: "refault-of-shared-extent-vs-unpin",
  question: "May another process fault on a page of a shared block while somebody holds it?",
  claim:
    "A read fault on a shared block takes the page away from the file and gives it back, whoever uses it. " +
    "Our reading; a prediction, not yet seen on a kernel.",
  closed: "Nobody writes, nobody takes blocks away.",
  *setup(k) {
    return yield* held(k, 1, function* (kernel) {
      return yield* holdPage(kernel, 0);
    });
  },
  threads: {
    read,
    unpin: {
      title: "put of a reference",
      cpu: 1,
      *run(k, { pages }) {
        yield* dropPages(k, pages);
      },
    },
  },
  invariants,
  expected: {
    "v6.1": { verdict: "holds", because: "a read does not count as shared" },
    "v6.12": {
      verdict: "holds",
      because: "the words of the page are written again, and its count is not looked at",
    },
    "v6.15": {
      verdict: "invariant",
      rule: "referenced-folio-stays-in-file",
      because:
        "dax_insert_entry() takes the folio of a shared block from its file and gives it back, with the reference; its " +
        "count stays right, and dax_folio_put() looks at the counts of large folios only, and says nothing",
    },
    "v7.2": {
      verdict: "invariant",
      rule: "referenced-folio-stays-in-file",
      because: "as v6.15, but dax_folio_put() looks at the counts of small folios, too, and warns",
    },
  },
});

export const refaultOfSharedHugeExtentVsUnpin = scenario<World>({
  name: "refault-of-shared-huge-extent-vs-unpin",
  geometry: { PTRS_PER_PTE: 2, PTRS_PER_PMD: 2 },
  question: "And if the page is part of a folio of PMD size, whose pins are counted apart?",
  claim:
    "The folio is taken apart and put together again, which sets the count of its pins to 0. Our reading; a " +
    "prediction, not yet seen on a kernel.",
  closed: "Nobody writes, nobody takes blocks away.",
  *setup(k) {
    return yield* held(k, k.world.geometry.PTRS_PER_PTE, function* (kernel) {
      return yield* pinPage(kernel, 0, 0);
    });
  },
  threads: {
    read,
    unpin: {
      title: "unpin",
      cpu: 1,
      *run(k, { pages }) {
        yield* k.unpin_user_pages(pages);
      },
    },
  },
  invariants,
  expected: {
    "v6.1": { verdict: "holds", because: "a read does not count as shared" },
    "v6.12": { verdict: "holds", because: "each page counts for itself, and its count is not looked at" },
    "v6.15": {
      verdict: "invariant",
      rule: "referenced-folio-stays-in-file",
      because: "the folio is reset with its pin: the kernel warns, and the unpin takes one from a count of 0",
    },
    "v7.2": {
      verdict: "invariant",
      rule: "referenced-folio-stays-in-file",
      because: "the folio is reset with its pin: the kernel warns, and the unpin takes one from a count of 0",
    },
  },
});
