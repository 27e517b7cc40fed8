import type { Inode } from "../kernel/include/linux/fs.ts";
import { associationsCountEntries, noWarning, referencesAddUp } from "../kernel/invariants.ts";
import { type Expectation, type ScenarioThread, scenario } from "../kernel/scenario.ts";
import { createProcess, mapFile } from "../kernel/setup.ts";
import { type ReflinkedFiles, reflinkedFiles } from "./reflinked-files.ts";

const punch = (
  cpu: number,
  title: string,
  file: (w: ReflinkedFiles) => Inode,
): ScenarioThread<ReflinkedFiles> => ({
  title,
  cpu,
  *run(k, w) {
    yield* k.xfs_file_fallocate(file(w), "punch-hole", 0, 1);
  },
});

const oneIsLost = (function_: string): Expectation => ({
  verdict: "invariant",
  rule: "associations-count-entries",
  because:
    `${function_} reads share and writes it in two steps, under the xa_lock of one file; the one lock that XFS takes for ` +
    "both files, that of the AGF, it takes only afterwards, to free the block",
});

export const punchVsPunchOfSharedExtent = scenario<ReflinkedFiles>({
  name: "punch-vs-punch-of-shared-extent",
  question: "Is a page given up if the two files that share it are punched at once?",
  claim:
    "The number of files that share a page is no atomic word, and no lock is common to two files that leave it: both may " +
    "find 2, and 1 stays. Our reading; a prediction, not yet seen on a kernel.",
  closed: "Nobody touches a page again, nobody has it pinned.",
  *setup(k) {
    const files = yield* reflinkedFiles(k);
    const mm = createProcess(k, "mm", 2);
    yield* mapFile(k, mm, files.one, 0, 1);
    yield* mapFile(k, mm, files.two, 1, 1);
    yield* k.touch(mm, 0, false);
    yield* k.touch(mm, 1, false);
    return files;
  },
  threads: {
    one: punch(0, "punch one file", ({ one }) => one),
    two: punch(1, "punch the other", ({ two }) => two),
  },
  invariants: [associationsCountEntries, referencesAddUp, noWarning],
  expected: {
    "v6.1": {
      verdict: "invariant",
      rule: "no-warning",
      because:
        "the second file to read finds the page associated with the first: the kernel warns, already while setup maps it",
    },
    "v6.12": oneIsLost("dax_page_share_put()"),
    "v6.15": oneIsLost("dax_folio_put()"),
    "v7.2": oneIsLost("dax_folio_put()"),
  },
});
