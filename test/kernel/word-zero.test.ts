// Word 0 of a page is a pgmap or a link to a head: who follows it, and what is found while it is neither.
import { describe, expect, it } from "vitest";
import { changes, kernels } from "../../src/changes/kernels.ts";
import { explore } from "../../src/explore/explore.ts";
import type { Inode } from "../../src/kernel/include/linux/fs.ts";
import type { Page } from "../../src/kernel/include/linux/mm_types.ts";
import { type KernelInvariant, noWarning, pgmapIsValid } from "../../src/kernel/invariants.ts";
import { withChanges } from "../../src/kernel/kernel.ts";
import { programOf, type Scenario, scenario } from "../../src/kernel/scenario.ts";
import { firstPage } from "../../src/kernel/setup.ts";
import { catalogue } from "../../src/scenarios/catalogue.ts";
import { mappedFile } from "../../src/scenarios/furniture.ts";

/** What is found in a scenario that looks at these rules alone. */
function found(s: Scenario, invariants: readonly KernelInvariant[], release: string, ...names: string[]) {
  const version = kernels.find((k) => k.release === release);
  const with_ = changes.filter((c) => names.includes(c.name));
  if (version === undefined) throw new Error(`no kernel ${release}`);
  const { search } = explore(programOf({ ...s, invariants }, withChanges(version, with_)));
  expect(search.complete).toBe(true);
  return search.findings.map((f) => f.finding.detail);
}

const named = (name: string): Scenario => {
  const s = catalogue.find((c) => c.name === name);
  if (s === undefined) throw new Error(`no scenario ${name}`);
  return s;
};

/** A huge page is taken away from its file while its memory fails. */
const failureVsReset = scenario<{ inode: Inode; page: Page }>({
  name: "memory-failure-vs-punch-hole-of-huge-page",
  question: "Does memory failure find the pgmap while a folio is taken apart?",
  geometry: { PTRS_PER_PTE: 2, PTRS_PER_PMD: 2 },
  *setup(k) {
    const { inode, mm } = yield* mappedFile(k, "ext4", 2);
    yield* k.touch(mm, 0, true);
    return { inode, page: firstPage(k) };
  },
  threads: {
    failure: {
      title: "memory failure",
      cpu: 0,
      *run(k, { page }) {
        yield* k.memory_failure_dev_pagemap(page.pfn);
      },
    },
    punch: {
      title: "punch hole",
      cpu: 1,
      *run(k, { inode }) {
        yield* k.ext4_punch_hole(inode, 0, 2);
      },
    },
  },
  invariants: [],
});

describe("while a huge page is taken apart, on v7.2", () => {
  it.each([
    ["GUP before it has a reference", "rcu-table-free"],
    ["the put of the last reference", "ipi"],
  ] as const)("%s may follow a pgmap that is 0", (_who, tlb) => {
    const s = { ...named("punch-hole-vs-pin-of-huge-page"), tlb };
    expect(found(s, [pgmapIsValid], "v7.2")).toContain("gup follows the pgmap of pfn 0x40, which is 0");
  });

  it("the kernel itself warns of the put only", () => {
    const s = { ...named("punch-hole-vs-pin-of-huge-page"), tlb: "ipi" } as const;
    expect(found(s, [noWarning], "v7.2")).toEqual([
      "no-free-without-pgmap: the last reference to pfn 0x40 is dropped while it has no pgmap",
    ]);
  });

  it("memory failure asks for the pgmap by page frame, and finds it", () => {
    expect(found(failureVsReset, [pgmapIsValid], "v7.2", "dax-reset-keeps-pgmap")).toEqual([]);
    expect(() => found(failureVsReset, [pgmapIsValid], "v7.2")).not.toThrow();
  });
});

describe("a page of a DAX device that is a tail", () => {
  it("is asked itself from v6.2 to v6.14", () => {
    const s = named("munmap-vs-pgmap-of-tail");
    const said = "gup follows the pgmap of pfn 0x801, which is the link of a tail to pfn 0x800";
    expect(found(s, [pgmapIsValid], "v6.12")).toEqual([said]);
    expect(found(s, [pgmapIsValid], "v7.2", "twin/pgmap-of-tail")).toEqual([said]);
  });
});
