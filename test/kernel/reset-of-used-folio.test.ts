// A folio that is taken apart while somebody uses it: that it leaves its file, and what becomes of its pins.
import { describe, expect, it } from "vitest";
import { kernels } from "../../src/changes/kernels.ts";
import { explore } from "../../src/explore/explore.ts";
import {
  type KernelInvariant,
  pinsArePutAsTaken,
  referencedFolioStaysInFile,
} from "../../src/kernel/invariants.ts";
import { change, withChanges } from "../../src/kernel/kernel.ts";
import { programOf } from "../../src/kernel/scenario.ts";
import { catalogue } from "../../src/scenarios/catalogue.ts";

const takesAnyFolioForIdle = change({
  name: "my/any-folio-is-idle",
  subject: "break-layouts takes every folio for idle",
  source: "a test",
  functions: {
    *dax_busy_page() {
      return null;
    },
  },
});

/** What a rule says of a scenario of the catalogue, of which nothing else is asked. */
function said(rule: KernelInvariant, name: string, release: string, changes = [takesAnyFolioForIdle]) {
  const s = catalogue.find((c) => c.name === name);
  const version = kernels.find((k) => k.release === release);
  if (s === undefined || version === undefined) throw new Error(`no ${name} or ${release}`);
  const { search } = explore(programOf({ ...s, invariants: [rule] }, withChanges(version, changes)));
  expect(search.complete).toBe(true);
  return search.findings.filter((f) => f.finding.kind === "invariant").map((f) => f.finding.detail);
}

describe("a page of its own that is pinned", () => {
  it.each(["v6.15", "v7.2"])("must not leave its file on %s", (release) => {
    // The mapping is gone by then: 1024 are the pin.
    expect(said(referencedFolioStaysInFile, "unpin-vs-punch-hole", release)).toEqual([
      "punch takes pfn 0x40 away from its file with a count of 1024: setup holds it",
    ]);
    expect(said(referencedFolioStaysInFile, "unpin-vs-punch-hole", release, [])).toEqual([]);
  });

  it.each(["v5.10", "v5.18", "v6.1", "v6.12"])("may on %s, which has no such rule", (release) => {
    expect(said(referencedFolioStaysInFile, "unpin-vs-punch-hole", release)).toEqual([]);
  });

  it("is put as it was taken, whatever its file", () => {
    expect(said(pinsArePutAsTaken, "unpin-vs-punch-hole", "v7.2")).toEqual([]);
  });
});

describe("a page of a huge folio that is pinned", () => {
  it("was counted in a pincount that is no longer there", () => {
    const found = said(pinsArePutAsTaken, "punch-hole-vs-pin-of-huge-page", "v7.2");
    expect(found).toEqual([
      "gup has pinned pfn 0x40, counted in the pincount of the folio of pfn 0x40, but it is a page of its own now",
    ]);
  });

  // The entry of a shared extent is made anew by every fault: dax_insert_entry() with IOMAP_F_SHARED.
  it.each([
    "v6.15",
    "v7.2",
  ])("is put as it was taken on %s, but for a fault on a shared extent", (release) => {
    expect(said(pinsArePutAsTaken, "punch-hole-vs-pin-of-huge-page", release, [])).toEqual([]);
    expect(said(pinsArePutAsTaken, "refault-of-shared-huge-extent-vs-unpin", release, [])).toEqual([
      "setup has pinned pfn 0x40, counted in the pincount of the folio of pfn 0x40, but it is a page of its own now",
    ]);
  });
});
