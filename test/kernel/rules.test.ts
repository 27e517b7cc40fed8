// Every rule and every promise can be asked for alone, and then catches a kernel that is broken on purpose; left out
// of all the others, it says nothing. How a rule is worded is checked by what must be in its sentence: who, which page.
import { describe, expect, it } from "vitest";
import { changes, kernels } from "../../src/changes/kernels.ts";
import { withRules } from "../../src/cli/rules.ts";
import { explore } from "../../src/explore/explore.ts";
import type { Finding } from "../../src/explore/outcome.ts";
import { kernelInvariants } from "../../src/kernel/invariants.ts";
import { withChanges } from "../../src/kernel/kernel.ts";
import { kernelLiveness } from "../../src/kernel/liveness.ts";
import { programOf } from "../../src/kernel/scenario.ts";
import { catalogue } from "../../src/scenarios/catalogue.ts";

/** A rule, and where it is caught: twin (none, for a kernel that breaks it as it is), kernel and scenario. */
const caught: readonly (readonly [rule: string, twin: string, kernel: string, scenario: string])[] = [
  ["held-page-is-referenced", "unpin-drops-twice", "v6.12", "two-unpinners-vs-punch-hole"],
  ["references-add-up", "unpin-drops-twice", "v7.2", "two-unpinners-vs-punch-hole"],
  ["count-not-below-idle", "unpin-drops-twice", "v7.2", "two-unpinners-vs-punch-hole"],
  ["mapped-page-is-referenced", "drop-before-rmap", "v7.2", "munmap-vs-munmap"],
  ["mapcount-within-count", "drop-before-rmap", "v7.2", "munmap-vs-munmap"],
  ["mapcount-counts-mappings", "insert-page-one-based", "v6.12", "munmap-vs-munmap"],
  ["no-longterm-pin-of-fsdax", "fsdax-longterm-pinnable", "v7.2", "longterm-pin-vs-punch-hole"],
  ["pinned-anon-page-is-exclusive", "gup-ignores-fork", "v7.2", "fork-vs-pin"],
  ["pincount-counts-pins", "unpin-with-bias", "v7.2", "munmap-vs-pin-of-huge-page"],
  ["pins-are-put-as-taken", "unpin-with-bias", "v6.12", "munmap-vs-pin-of-device-dax"],
  ["rss-counts-mappings", "insert-page-one-based", "v6.12", "munmap-vs-munmap"],
  ["no-pin-on-free-block", "busy-ignores-pins", "v6.12", "unpin-vs-punch-hole"],
  ["no-mapping-of-free-block", "unmap-leaves-entries", "v6.12", "munmap-vs-punch-hole"],
  ["no-store-to-foreign-block", "drop-before-flush-not-nested", "v7.2", "stale-store-vs-punch-hole"],
  ["shared-block-is-not-writable", "write-fault-ignores-remapping", "v6.12", "write-fault-vs-clone"],
  ["mapping-shows-block-of-file", "write-leaves-hole-mapped", "v6.12", "write-into-hole-vs-read-fault"],
  ["associations-count-entries", "entry-goes-without-its-page", "v6.12", "memory-failure-vs-punch-hole"],
  ["entry-lock-is-held", "writeback-ignores-entry-lock", "v7.2", "fsync-vs-read-fault"],
  ["referenced-folio-stays-in-file", "evict-does-not-wait", "v7.2", "umount-vs-pin"],
  ["unflushed-page-is-dirty", "write-fault-leaves-entry-clean", "v6.12", "truncate-vs-dirty-page"],
  ["no-mapping-of-dead-device", "freeze-holds-nobody-off", "v7.2", "kill-dax-vs-store"],
  ["pgmap-is-valid", "pgmap-of-tail", "v7.2", "munmap-vs-pgmap-of-tail"],
  ["folio-has-one-pgmap", "folio-misses-last-tail", "v6.12", "munmap-vs-pin-of-device-dax"],
  ["shared-tails-are-not-written", "mapping-is-set-on-tails", "v6.12", "munmap-vs-pin-of-device-dax"],
  ["pooled-page-is-unused", "munmap-frees-p2pdma", "v6.12", "pin-vs-munmap-of-p2pmem"],
  ["bad-page-is-not-mapped", "failure-asks-for-head", "v6.12", "munmap-vs-memory-failure-of-tail"],
  ["charges-add-up", "free-uncharges-always", "v7.2", "fork-vs-punch-hole"],
  ["no-warning", "busy-ignores-pins", "v7.2", "unpin-vs-punch-hole"],
  ["layout-break-returns", "free-does-not-wake", "v7.2", "unpin-vs-punch-hole"],
  ["entry-waiter-is-served", "entry-wakeup-is-not-passed-on", "v7.2", "invalidate-vs-faults-on-one-entry"],
  ["access-returns", "", "v6.12", "two-faults-on-device-page"],
  ["gup-returns", "unshare-page-of-no-file", "v7.2", "read-pin-vs-munmap-of-second-file"],
  ["evict-returns", "free-does-not-wake", "v7.2", "umount-vs-pin"],
  ["unpin-returns", "unpin-takes-inode-lock", "v7.2", "unpin-vs-punch-hole"],
];

const rules = [...kernelInvariants, ...kernelLiveness].map((r) => r.name);

/** What a scenario finds broken on a kernel with a twin, if it looks at these rules alone. */
function broken([, twin, release, name]: (typeof caught)[number], watched: readonly string[]): Finding[] {
  const scenario = catalogue.find((s) => s.name === name);
  const kernel = kernels.find((k) => k.release === release);
  const found = changes.filter((c) => c.name === `twin/${twin}`);
  if (!scenario || !kernel || (found.length === 0 && twin !== ""))
    throw new Error(`no ${name}, ${release} or ${twin}`);
  const program = programOf(withRules(scenario, watched), withChanges(kernel, found));
  const { search } = explore(program, { livelock: true });
  expect(search.complete).toBe(true);
  return search.findings.map((f) => f.finding);
}

const names = (f: Finding): readonly string[] => (f.kind === "invariant" ? [f.property] : (f.liveness ?? []));

it("has a twin for every rule", () => {
  expect(caught.map(([rule]) => rule).sort()).toEqual([...rules].sort());
});

describe.each(caught.map((row) => ({ rule: row[0], row })))("$rule", ({ rule, row }) => {
  it("catches its twin alone, and says which page and who", () => {
    const found = broken(row, [rule]).filter((f) => names(f).includes(rule));
    expect(found).not.toEqual([]);
    for (const { detail } of found) expect(detail).toMatch(/pfn 0x|\bpage \d|CPU\d|\bmm\b|process|folio/);
  });

  it("says nothing where it is left out", () => {
    const others = rules.filter((r) => r !== rule);
    expect(broken(row, others).flatMap(names)).not.toContain(rule);
  });
});
