// Workloads that did something on purpose, recorded by `pagelife record` on Debian's kernels under QEMU, cut
// down to the events that matter. What each did is said here; it is what the answers must say.
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { TraceReport } from "../../src/trace/report.ts";
import { analyseText, kinds } from "./analyse.ts";

function report(name: string): TraceReport {
  const url = new URL(`../fixtures/traces/workloads/${name}.txt`, import.meta.url);
  return analyseText(name, readFileSync(url));
}

const sentence = (r: TraceReport, kind: string): string =>
  r.findings.find((f) => f.kind === kind)?.sentence ?? "";

describe.each(["6.12", "7.2"])("a driver that never puts four pages it got (%s)", (kernel) => {
  // Five processes pinned and unpinned four pages each; kmod2 got four at 0x48030, and exited.
  const r = report(`lost-get.${kernel}`);

  it("is the only suspect, with its pages, its path and its end", () => {
    expect(kinds(r)).toEqual(["leak warning"]);
    expect(r.findings[0]?.pfns).toEqual([0x48030, 0x48031, 0x48032, 0x48033]);
    expect(sentence(r, "leak")).toMatch(/^kmod2-\d+ took 4 references on 4 pages .* dleak_lose_get\(\)/);
    expect(sentence(r, "leak")).toMatch(/kmod2-\d+ exited at/);
  });
});

describe("a punch hole that waits for pages which somebody lost before (6.12)", () => {
  // Four of the sixteen pages had a get lost on them before the recording began. Direct I/O pinned all and
  // ended; meanwhile hold-410 mapped page 0 again, which takes no reference in this kernel.
  const r = report("punch-vs-lost-get.6.12");

  it("waits for what was there before, and neither for the mapping nor for the direct I/O", () => {
    expect(kinds(r)).toEqual(["blocked warning", "outstanding unknown"]);
    const text = sentence(r, "blocked");
    expect(text).toContain("for 4 pages (pfn 0x48030-0x48033), referred to by a task that was not recorded");
    expect(text).toContain("odirect-406 held 16 pages (pfn 0x48030-0x4803f), too, and has let go");
    expect(text).toContain("pfn 0x48030 is at count 2 and must come to 1");
    expect(sentence(r, "outstanding")).toContain("were there before the recording began");
  });
});

describe("a punch hole that waits for direct I/O in 6.1", () => {
  // The kernel's bios give references back with folio_put_refs(): the I/O ended, and the punch slept on.
  it("is told that it will not be woken", () => {
    const text = sentence(report("punch-vs-direct-io.6.1"), "blocked");
    expect(text).toContain("odirect-695 held references to");
    expect(text).toContain("folio_put_refs(), which leaves no event and wakes nobody");
    expect(text).toMatch(/odirect-695 exited at 81\.\d+, so they are gone, and nothing will wake it/);
  });
});

describe("an unlink while a pipe holds the file's pages (7.2)", () => {
  // The last user of the file was gone, so that its eviction waits, and cannot be interrupted.
  const r = report("unlink-vs-vmsplice.7.2");

  it("waits in eviction for the pipe, and the pipe's references are no leak", () => {
    expect(kinds(r)).toEqual(["blocked warning", "outstanding note"]);
    expect(sentence(r, "blocked")).toMatch(
      /^rm-328 is waiting in dax_break_layout_final\(\) .* 16 pages .* that vmsplice-326 held references to/,
    );
    expect(sentence(r, "outstanding")).toContain("A pipe holds them, until somebody reads it");
  });
});

describe("an unlink while a pipe holds the file's pages (6.12)", () => {
  // The kernel did not wait, and warned in dax_disassociate_entry(), fs/dax.c:390.
  it("frees pages that are held", () => {
    const r = report("unlink-vs-vmsplice.6.12");
    expect(kinds(r)).toEqual(["freed-while-held error", "outstanding note"]);
    expect(r.findings[0]?.pfns).toEqual(Array.from({ length: 16 }, (_, i) => 0x50208 + i));
    expect(sentence(r, "freed-while-held")).toMatch(
      /^rm-252 took pages out of their file at 41\.191725 while they were held: 16 pages .* vmsplice-250/,
    );
  });
});

describe("the unbinding of a device-dax device under a registered buffer (7.2)", () => {
  // io_uring had registered 2 MiB, one folio; unbinding returned, and unregistering oopsed on the memory map.
  it("has removed a pinned page", () => {
    const r = report("unbind-vs-registered-buffer.7.2");
    expect(kinds(r)).toEqual(["removed-while-held error", "outstanding note"]);
    expect(sentence(r, "removed-while-held")).toMatch(/^sh-419 removed .* 1 pin of uring-421 on pfn 0x70600/);
  });
});

describe("the removal of device-private memory that is in use (7.2)", () => {
  // kmod8 was given three pages, and kmod10 removed the device.
  it("hangs, and names to whom the pages were given", () => {
    const r = report("removal-vs-private-pages.7.2");
    expect(kinds(r)).toEqual(["removal-hang error"]);
    expect(sentence(r, "removal-hang")).toMatch(
      /^kmod10-373 is in memunmap_pages\(\) .* 3 pages .* are in use, handed out to kmod8-371 at 134\.250207 \(by dleak_ioctl\(\)\)/,
    );
  });
});

describe("references dropped once too often", () => {
  it("are found where the kernel counts puts (6.12): unpin_user_pages() twice for one pin", () => {
    const r = report("double-unpin.6.12");
    expect(kinds(r)).toEqual(["illegal-count error", "illegal-count error", "unmatched-puts note"]);
    for (const f of r.findings) expect(f.pfns).toEqual([0x48022, 0x48023]);
    expect(r.findings[0]?.sentence).toContain("was unpinned while its count held no pin");
    expect(r.findings[1]?.sentence).toContain("lost the reference that belongs to its device");
  });

  it("are found where they free a page that is mapped (7.2): put_page() twice for one get", () => {
    const r = report("double-put.7.2");
    expect(kinds(r)).toEqual(["illegal-count error"]);
    expect(r.findings[0]?.pfns).toEqual([0x48024, 0x48025]);
    expect(r.findings[0]?.sentence).toContain("free_zone_device_folio by kmod4-680");
  });
});
