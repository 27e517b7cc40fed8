// madvise(MADV_DONTNEED) of a part takes a huge entry apart, and a fault may bring it again before the zap looks: up to
// v6.4 it is passed over (pmd_none_or_trans_huge_or_clear_bad()), since v6.5 it is taken apart once more.
import { expect, it } from "vitest";
import { kernels } from "../../src/changes/kernels.ts";
import { type Cell, cell } from "../../src/explore/access.ts";
import { explore } from "../../src/explore/explore.ts";
import type { MmStruct, VmArea } from "../../src/kernel/include/linux/mm_types.ts";
import { pmd_offset } from "../../src/kernel/include/linux/pgtable.ts";
import {
  mapcountCountsMappings,
  noWarning,
  referencesAddUp,
  rssCountsMappings,
  type ScenarioInvariant,
} from "../../src/kernel/invariants.ts";
import { READ_ONCE, WRITE_ONCE } from "../../src/kernel/lib/atomic.ts";
import { programOf, scenario } from "../../src/kernel/scenario.ts";
import { mappedFile } from "../../src/scenarios/furniture.ts";

interface World {
  readonly mm: MmStruct;
  readonly vma: VmArea;
  readonly came: Cell<boolean>;
}

const dontneedVsTouch = (invariants: readonly ScenarioInvariant<World>[]) =>
  scenario<World>({
    name: "dontneed-of-part-vs-touch",
    question: "Does a huge entry stay that comes after the zap has taken one apart?",
    geometry: { PTRS_PER_PTE: 2, PTRS_PER_PMD: 2 },
    *setup(k) {
      const { mm, vma } = yield* mappedFile(k, "ext4", 2);
      yield* k.touch(mm, 0, true);
      return { mm, vma, came: cell("came", false) };
    },
    threads: {
      dontneed: {
        title: "madvise a part",
        cpu: 0,
        mm: ({ mm }) => mm,
        *run(k, { vma }) {
          yield* k.madvise_dontneed_single_vma(vma, 0, 1);
        },
      },
      touch: {
        title: "touch after the split",
        cpu: 1,
        mm: ({ mm }) => mm,
        *run(k, { mm, came }) {
          const pmdp = pmd_offset(k, mm, 0);
          if (pmdp === null || (yield* READ_ONCE(pmdp)) !== null) return;
          yield* k.touch(mm, 0, true);
          yield* WRITE_ONCE(came, true);
        },
      },
    },
    invariants,
  });

const stays: ScenarioInvariant<World> = {
  name: "what-came-stays",
  check(k, see, { mm, came }) {
    const pmdp = pmd_offset(k, mm, 0);
    return pmdp !== null && see(came) && see(pmdp) === null ? "the entry is gone" : null;
  },
};

it.each(kernels)("$release: a huge entry that comes after a split of the zap", (version) => {
  const { property } = explore(programOf(dontneedVsTouch([stays]), version));
  const passedOver = ["v5.10", "v5.18", "v6.1"].includes(version.release);
  expect(property).toBe(passedOver ? null : "what-came-stays");
  const rules = [referencesAddUp, mapcountCountsMappings, rssCountsMappings, noWarning];
  expect(explore(programOf(dontneedVsTouch(rules), version)).verdict).toBe("holds");
});
