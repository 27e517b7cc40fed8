// munmap() holds mmap_lock for reading only, once the process has forgotten the mapping: another thread may fault beside it
// meanwhile, in the same table.
import { describe, expect, it } from "vitest";
import { kernels } from "../../src/changes/kernels.ts";
import { explore } from "../../src/explore/explore.ts";
import type { MmStruct } from "../../src/kernel/include/linux/mm_types.ts";
import {
  type KernelInvariant,
  mapcountCountsMappings,
  noWarning,
  referencesAddUp,
  rssCountsMappings,
} from "../../src/kernel/invariants.ts";
import { programOf, scenario } from "../../src/kernel/scenario.ts";
import { mappedFile } from "../../src/scenarios/furniture.ts";

/** The process has forgotten page 0, which it still maps, and page 2 has come. */
const meanwhile: KernelInvariant = {
  name: "not-meanwhile",
  check: (k, see) => {
    const [mm] = k.world.mms;
    const entries = [0, 2]
      .map((i) => mm?.page_table[i])
      .map((ptep) => ptep !== undefined && see(ptep) !== null);
    const forgotten = mm !== undefined && see(mm.mm_mt).every(({ vm_start }) => vm_start > 0);
    return forgotten && entries.every(Boolean) ? "page 2 has come while page 0 goes" : null;
  },
};

const beside = (invariants: readonly KernelInvariant[]) =>
  scenario<{ readonly mm: MmStruct }>({
    name: "munmap-of-part-vs-fault-beside",
    question: "Can a program fault beside what it unmaps?",
    geometry: { PTRS_PER_PTE: 4, PTRS_PER_PMD: 2 },
    *setup(k) {
      const { mm } = yield* mappedFile(k, "ext4", 3);
      yield* k.touch(mm, 0, true);
      return { mm };
    },
    threads: {
      munmap: {
        title: "munmap of a part",
        cpu: 0,
        mm: ({ mm }) => mm,
        *run(k, { mm }) {
          yield* k.vm_munmap(mm, 0, 1);
        },
      },
      touch: {
        title: "touch beside it",
        cpu: 1,
        mm: ({ mm }) => mm,
        *run(k, { mm }) {
          yield* k.touch(mm, 2, true);
        },
      },
    },
    invariants,
  });

describe.each(kernels)("$release", (version) => {
  it("faults are let in while entries go", () => {
    const { kind, property } = explore(programOf(beside([meanwhile]), version));
    expect([kind, property]).toEqual(["invariant", "not-meanwhile"]);
  });

  it("and everything adds up", () => {
    const rules = [referencesAddUp, mapcountCountsMappings, rssCountsMappings, noWarning];
    expect(explore(programOf(beside(rules), version)).verdict).toBe("holds");
  });
});
