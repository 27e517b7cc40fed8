// What comes to nothing in setup is an error with the line, unless the scenario asks for the result.
import { describe, expect, it } from "vitest";
import { ownFiles } from "./own-file.ts";

const files = ownFiles();

const BEFORE = `import {
  createDevDax, createFile, createProcess, FALLOC_FL_COLLAPSE_RANGE, FOLL_LONGTERM, FOLL_WRITE, mapFile, mayFail, mountDax,
  pmdPages, scenario, VM_SHARED, VM_WRITE,
} from "pagelife/kernel";
export default scenario({
  name: "mine-vs-setup",
  question: "Is setup what its author thinks it is?",
  geometry: { PTRS_PER_PTE: 4, PTRS_PER_PMD: 2 },
  *setup(k) {
    const inode = yield* createFile(k, mountDax(k, 4), "file", 2);
    const mm = createProcess(k, "mm", 8);
    k.current.mm = mm;
    yield* mapFile(k, mm, inode, 0, 4);
    // HERE
`;
const LINE = BEFORE.split("\n").length;

const AFTER = `    return { mm, inode };
  },
  threads: { a: { title: "touch", cpu: 0, mm: ({ mm }) => mm, *run(k, { mm }) { yield* k.touch(mm, 3, true); } } },
  invariants: [],
});
`;

/** Checks a scenario with a line in its setup: the verdict, or the error. */
const check = (line: string): Promise<string> => files.check(`${BEFORE}    ${line}\n${AFTER}`);

const unasked = [
  {
    what: "an access beyond the file",
    line: "yield* k.touch(mm, 3, true);",
    says: "touch(mm, 3, true) came to SIGBUS",
  },
  { what: "a store beyond the file", line: "yield* k.store(mm, 2);", says: "store(mm, 2) came to SIGBUS" },
  {
    what: "an access to what is unmapped",
    line: "yield* k.vm_munmap(mm, 1, 2); yield* k.touch(mm, 1, false);",
    says: "touch(mm, 1, false) came to SIGSEGV",
  },
  {
    what: "a pin beyond the file",
    line: "yield* k.pin_user_pages_fast(2, 1, FOLL_WRITE);",
    says: "pin_user_pages_fast(2, 1, 1) came to -EFAULT",
  },
  {
    what: "a pin of which a part is beyond the file",
    line: "yield* k.pin_user_pages_fast(1, 2, FOLL_WRITE);",
    says: "came to 1 of 2 pages",
  },
  {
    what: "a pin without locks of what nobody has touched",
    line: "yield* k.pin_user_pages_fast_only(0, 1, FOLL_WRITE);",
    says: "came to 0 of 1 pages",
  },
  {
    what: "a pin for long",
    line: "yield* k.pin_user_pages_fast(0, 1, FOLL_WRITE | FOLL_LONGTERM);",
    says: "came to -EOPNOTSUPP",
  },
  {
    what: "a split where the device has none",
    line: 'const dev = yield* createDevDax(k, "dax0.0", 4, pmdPages(k)); yield* mapFile(k, mm, dev, 4, 4); yield* k.vm_munmap(mm, 4, 5);',
    says: "vm_munmap(mm, 4, 5) came to -EINVAL",
  },
  {
    what: "a range that cannot be collapsed",
    line: "yield* k.vfs_fallocate(inode, FALLOC_FL_COLLAPSE_RANGE, 0, 2);",
    says: "vfs_fallocate(file, collapse-range, 0, 2) came to -EINVAL",
  },
];

describe("in setup it is an error that nobody asks for", () => {
  it.each(unasked)("$what", async ({ line, says }) => {
    const said = await check(line);
    expect(said).toContain("PL210: setup of mine-vs-setup: ");
    expect(said).toContain(says);
    expect(said).toContain(`FILE:${LINE})`);
  });

  it("what does what it is called for is none", async () => {
    const lines = "yield* k.touch(mm, 0, true); yield* k.pin_user_pages_fast(0, 2, FOLL_WRITE);";
    expect(await check(lines)).toBe("holds");
  });
});

describe("mayFail() gives the result", () => {
  it.each([
    { call: "k.touch(mm, 3, true)", is: '"SIGBUS"' },
    { call: "k.touch(mm, 1, true)", is: '"NOPAGE"' },
    { call: "k.pin_user_pages_fast(2, 1, FOLL_WRITE)", is: "-14" },
    { call: "k.pin_user_pages_fast(0, 1, FOLL_WRITE | FOLL_LONGTERM)", is: "-95" },
  ])("$call", async ({ call, is }) => {
    const line = `const got = yield* mayFail(${call}); if (got !== ${is}) throw new Error(String(got));`;
    expect(await check(line)).toBe("holds");
  });

  it("and other errors are errors still", async () => {
    expect(await check("yield* mayFail(k.touch(mm, 7, true));")).toContain("where it never has a mapping");
  });
});
