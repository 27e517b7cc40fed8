// Counts and transitions that no kernel, or not this kernel, can produce. A rule looks at one event
// and the page as it is after it. The comparison with the implemented subsystem, path by path, is
// the matter of another room; this table holds what is certain without it.
import type { KernelEvent, Task } from "../../events/event.ts";
import type { Role } from "../../events/vocabulary.ts";
import type { KernelRules } from "../kernel-rules.ts";
import { isPin } from "./flags.ts";
import { type PageState, PIN_BIAS } from "./page-state.ts";

export interface ConformanceRule {
  readonly id: string;
  /** Kernels it holds for; `both` where the count's base does not matter. */
  readonly model: KernelRules["model"] | "both";
  /** What must not be, as the end of "pfn 0x40 …". */
  readonly text: string;
  readonly source: string;
  /** Only events of these roles can break it. */
  readonly roles: readonly Role[];
  readonly broken: (page: PageState, e: KernelEvent) => boolean;
}

/** Whether a put drops a pin: unpin_user_page() and its like, or what they call. */
const unpins = (e: KernelEvent): boolean => e.spec.depth === 1 || (e.spec.depth === 2 && isPin(e.gup));

export const conformanceRules: readonly ConformanceRule[] = [
  {
    id: "count-below-zero",
    model: "both",
    text: "has a reference count below 0: more references were dropped than taken",
    source: "include/linux/page_ref.h",
    roles: ["count-changed", "grab", "put", "freed", "map", "unmap", "left-file"],
    broken: (_, e) => e.count < 0,
  },
  {
    id: "get-of-frozen-page",
    model: "both",
    text: "was taken from count 0 by a get that must refuse 0",
    source: "include/linux/page_ref.h:page_ref_add_unless()",
    roles: ["count-changed"],
    broken: (_, e) =>
      e.spec.name === "page_ref_mod_unless" && e.ret === 1 && e.count - e.val <= 0 && e.val > 0,
  },
  {
    id: "unpin-without-pin",
    model: "both",
    text: "was unpinned while its count held no pin",
    source: "mm/gup.c:gup_put_folio()",
    roles: ["put"],
    broken: (page, e) =>
      unpins(e) &&
      !page.large &&
      (page.device || page.reserved === true) &&
      e.count >= 0 &&
      e.count < PIN_BIAS,
  },
  {
    id: "base-reference-dropped",
    model: "one-based",
    text: "lost the reference that belongs to its device: more were dropped than taken",
    source: "mm/memremap.c:__put_devmap_managed_folio_refs()",
    roles: ["put"],
    // What is about to be dropped is still in the count, whoever else takes or drops one.
    broken: (page, e) => e.spec.name === "put_devmap_managed" && !page.large && e.n > 0 && e.count - e.n < 1,
  },
  {
    id: "put-of-free-page",
    model: "both",
    text: "had a reference dropped while its count was 0",
    source: "include/linux/mm.h:put_page()",
    roles: ["put"],
    broken: (page, e) => page.device && e.count === 0,
  },
  {
    id: "freed-while-referenced",
    model: "both",
    text: "went back to its device while its count was not 0",
    source: "mm/memremap.c:free_zone_device_folio()",
    roles: ["freed"],
    // A fault may take a page of a file from 0 again while whoever dropped it is still on the way here.
    broken: (page, e) => e.spec.name.startsWith("free_zone_device_") && e.count > 0 && page.type !== "fs-dax",
  },
  {
    id: "freed-while-mapped",
    model: "both",
    text: "went back to its device while page tables still map it: a reference too many was dropped",
    source: "mm/memremap.c:free_zone_device_folio()",
    roles: ["freed"],
    broken: (page, e) =>
      e.spec.name.startsWith("free_zone_device_") && e.count === 0 && !page.large && e.mapcount >= 0,
  },
  {
    id: "fsdax-page-at-zero",
    model: "one-based",
    text: "is a page of FS-DAX and came to count 0, which is 1 when idle in this kernel",
    source: "mm/memremap.c:__put_devmap_managed_folio_refs()",
    roles: ["count-changed", "grab", "put", "map", "unmap"],
    broken: (page, e) =>
      page.type === "fs-dax" &&
      e.count === 0 &&
      (e.spec.sampled === "after" ? e.val < 0 : e.spec.sampled === "entry" && e.spec.role !== "freed"),
  },
  {
    id: "left-file-while-referenced",
    model: "zero-based",
    text: "left its file while its count was not 0",
    source: "fs/dax.c:dax_folio_reset_order()",
    roles: ["left-file"],
    broken: (_, e) => e.spec.role === "left-file" && e.count > 0,
  },
  {
    id: "mapped-at-zero",
    model: "zero-based",
    text: "came to count 0 while page tables still map it",
    source: "mm/rmap.c",
    roles: ["count-changed"],
    broken: (page, e) =>
      page.type === "fs-dax" &&
      !page.large &&
      e.spec.name === "page_ref_mod_and_test" &&
      e.ret === 1 &&
      e.mapcount >= 0,
  },
];

export interface Violation {
  readonly rule: ConformanceRule;
  readonly pfn: number;
  /** All pages that broke the rule, up to a bound. */
  readonly pfns: number[];
  times: number;
  readonly time: number;
  readonly where: number;
  readonly cpu: number;
  readonly task: Task;
  readonly event: string;
  readonly count: number;
  readonly val: number;
  readonly losses: number;
}

const rulesOf: ReadonlyMap<Role, readonly ConformanceRule[]> = new Map(
  [...new Set(conformanceRules.flatMap((r) => r.roles))].map((role) => [
    role,
    conformanceRules.filter((r) => r.roles.includes(role)),
  ]),
);

export class ConformanceTracker {
  /** The first violation of each rule. Rules of a model are kept until the kernel is known. */
  readonly violations = new Map<string, Violation>();
  checked = 0;

  check(page: PageState, e: KernelEvent, losses: number): void {
    this.checked++;
    const rules = rulesOf.get(e.spec.role);
    if (rules === undefined) return;
    for (const rule of rules) {
      if (!rule.broken(page, e)) continue;
      const known = this.violations.get(rule.id);
      if (known !== undefined) {
        known.times++;
        if (known.pfns.length < 1000 && known.pfns[known.pfns.length - 1] !== page.pfn)
          known.pfns.push(page.pfn);
        continue;
      }
      this.violations.set(rule.id, {
        rule,
        pfn: page.pfn,
        pfns: [page.pfn],
        times: 1,
        time: e.time,
        where: e.where,
        cpu: e.cpu,
        task: e.task,
        event: e.spec.name,
        count: e.count,
        val: e.val,
        losses,
      });
    }
  }
}
