// The counts of a page in the order in which a real kernel had them, beside those of the subsystem in the same
// operations. The recordings are cut down to the page_ref events; kernels with CONFIG_DEBUG_PAGE_REF made them.
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { kernels } from "../../src/changes/kernels.ts";
import type { Code } from "../../src/explore/access.ts";
import { type Page, VM_NOHUGEPAGE, VM_SHARED, VM_WRITE } from "../../src/kernel/include/linux/mm_types.ts";
import type { Kernel } from "../../src/kernel/kernel.ts";
import { FOLL_LONGTERM, FOLL_WRITE } from "../../src/kernel/mm/gup-flags.ts";
import { boot, isBlocked } from "../../src/kernel/sequential.ts";
import { createDevDax, createFile, createProcess, mapFile, mountDax } from "../../src/kernel/setup.ts";

/** The counts that each page went through, by page frame number. */
type Histories = Map<number, number[]>;

const note = (all: Histories, pfn: number, count: number): void => {
  all.set(pfn, [...(all.get(pfn) ?? []), count]);
};

const PAGE_REF = /page_ref_\w+: pfn=(0x[0-9a-f]+) .*\bcount=(\d+)/;

function recorded(name: string): Histories {
  const file = new URL(`../fixtures/traces/replayed/${name}-pageref.txt.gz`, import.meta.url);
  const all: Histories = new Map();
  for (const line of gunzipSync(readFileSync(file)).toString("utf8").split("\n")) {
    const [, pfn, count] = PAGE_REF.exec(line) ?? [];
    if (pfn !== undefined) note(all, Number(pfn), Number(count));
  }
  return all;
}

function modelled(release: string, program: (k: Kernel) => Code<unknown>): Histories {
  const version = kernels.find((k) => k.release === release);
  if (version === undefined) throw new Error(`no kernel ${release}`);
  const all: Histories = new Map();
  const machine = boot(version, {
    onChange(name, value) {
      const [, pfn] = /^page\[(0x[0-9a-f]+)\]\._refcount$/.exec(name) ?? [];
      if (pfn !== undefined) note(all, Number(pfn), Number(value));
    },
  });
  expect(isBlocked(machine.run(program))).toBe(false);
  expect(machine.warning()).toBe(null);
  return all;
}

function* taken(code: Code<readonly Page[] | number>): Code<readonly Page[]> {
  const pages = yield* code;
  if (typeof pages === "number") throw new Error(`GUP returned ${pages}`);
  return pages;
}

/** Two pages of a file, read into with O_DIRECT while they are punched out: the punch waits for the pins. */
function* punchPinned(k: Kernel): Code {
  const inode = yield* createFile(k, mountDax(k, 2, "ext4", 0x48400), "file", 2);
  const mm = createProcess(k, "mm", 2);
  k.current.mm = mm;
  yield* mapFile(k, mm, inode, 0, 2);
  yield* k.touch(mm, 0, true);
  yield* k.touch(mm, 1, true);
  const pages = yield* taken(k.pin_user_pages_fast(0, 2, FOLL_WRITE));
  // What the punch does before it waits.
  yield* k.unmap_mapping_pages(inode.i_mapping, 0, 2);
  yield* k.unpin_user_pages(pages);
  yield* k.ext4_punch_hole(inode, 0, 2);
}

/** Two pages put into a pipe with vmsplice, unmapped, and read out of the pipe. */
function* vmspliceMunmap(k: Kernel): Code {
  const inode = yield* createFile(k, mountDax(k, 2, "ext4", 0x48400), "file", 2);
  const mm = createProcess(k, "mm", 2);
  k.current.mm = mm;
  const vma = yield* mapFile(k, mm, inode, 0, 2);
  yield* k.touch(mm, 0, true);
  yield* k.touch(mm, 1, true);
  const pages = yield* taken(k.get_user_pages_fast(0, 2, 0));
  yield* k.munmap(vma);
  for (const page of pages) yield* k.put_user_page(page);
}

/** Two PMD entries, a second mapping of the first, a part of it unmapped and touched again, all unmapped. */
function* pmd(k: Kernel): Code {
  const inode = yield* createFile(k, mountDax(k, 1024, "ext4", 0x48800), "file", 1024);
  const p = createProcess(k, "p", 1024);
  const q = createProcess(k, "q", 512);
  const whole = yield* mapFile(k, p, inode, 0, 1024);
  yield* k.touch(p, 0, true);
  yield* k.touch(p, 512, true);
  const second = yield* mapFile(k, q, inode, 0, 512);
  yield* k.touch(q, 0, true);
  yield* k.zap_page_range(second, 256, 512);
  yield* k.munmap(second);
  // What is left of it has no room for a PMD entry.
  const rest = yield* mapFile(k, q, inode, 0, 256, VM_SHARED | VM_WRITE | VM_NOHUGEPAGE);
  yield* k.touch(q, 0, false);
  yield* k.touch(q, 2, false);
  yield* k.munmap(rest);
  yield* k.munmap(whole);
  yield* k.ext4_punch_hole(inode, 0, 1);
}

/** Holes read, then written to, and unmapped. */
function* hole(k: Kernel): Code {
  const inode = yield* createFile(k, mountDax(k, 2, "ext4", 0x48800), "file", 2, 0);
  const mm = createProcess(k, "mm", 2);
  const vma = yield* mapFile(k, mm, inode, 0, 2);
  yield* k.touch(mm, 0, false);
  yield* k.touch(mm, 1, false);
  yield* k.touch(mm, 0, true);
  yield* k.touch(mm, 1, true);
  yield* k.munmap(vma);
}

/**
 * A DAX device of two folios, mapped twice, the first folio registered with io_uring: of the pins of a folio it keeps
 * one. Then one page is registered, and unmapped before its pin is dropped.
 */
function* devdax(k: Kernel): Code {
  const inode = yield* createDevDax(k, "dax2.0", 1024, 512, 0x70600);
  const p = createProcess(k, "p", 1024);
  const q = createProcess(k, "q", 512);
  k.current.mm = p;
  const both = yield* mapFile(k, p, inode, 0, 1024);
  const first = yield* mapFile(k, q, inode, 0, 512);
  yield* k.touch(p, 0, true);
  yield* k.touch(p, 512, true);
  yield* k.touch(q, 0, true);
  const [kept, ...others] = yield* taken(k.pin_user_pages_fast(0, 512, FOLL_LONGTERM | FOLL_WRITE));
  yield* k.unpin_user_pages(others);
  yield* k.munmap(first);
  if (kept !== undefined) yield* k.unpin_user_page(kept);
  const page = yield* taken(k.pin_user_pages_fast(1, 1, FOLL_LONGTERM | FOLL_WRITE));
  yield* k.munmap(both);
  yield* k.unpin_user_pages(page);
}

/** The counts of each page, the pages in the order in which each was first used. */
const inOrder = (all: Histories): number[][] => [...all.values()];

/** Where a count turned: a kernel may take or drop at once what another takes or drops one by one. */
const turns = (counts: readonly number[]): number[] =>
  counts.filter((n, i) => {
    const [before, after] = [counts[i - 1] ?? 1, counts[i + 1]];
    return after === undefined || n > before !== after > n;
  });

describe("the counts of a page, one after the other, are those of a recording", () => {
  it.each([
    { workload: "punch_pinned.ext4", kernel: "6.12", program: punchPinned },
    { workload: "punch_pinned.ext4", kernel: "7.2", program: punchPinned },
    { workload: "vmsplice_munmap.ext4", kernel: "6.12", program: vmspliceMunmap },
    { workload: "vmsplice_munmap.ext4", kernel: "7.2", program: vmspliceMunmap },
    { workload: "pmd.ext4", kernel: "7.2", program: pmd },
    { workload: "hole.ext4", kernel: "7.2", program: hole },
  ])("$workload on $kernel", ({ workload, kernel, program }) => {
    const real = recorded(`${workload}.${kernel}`);
    expect(inOrder(modelled(`v${kernel}`, program))).toEqual(inOrder(real));
  });

  // There a mapping counts nothing; the kernels recorded no event at all.
  it.each([
    { workload: "pmd.ext4", program: pmd },
    { workload: "hole.ext4", program: hole },
  ])("$workload on 6.12: none", ({ program }) => {
    expect(modelled("v6.12", program).size).toBe(0);
  });

  // The subsystem takes the pages of a folio one by one where v7.2 takes the first and then all others, and drops each.
  it.each(["6.12", "7.2"])("devdax on %s, but for how many are taken at once", (kernel) => {
    const real = inOrder(recorded(`devdax.${kernel}`));
    const ours = inOrder(modelled(`v${kernel}`, devdax));
    expect(ours.map(turns)).toEqual(real.map(turns));
  });
});
