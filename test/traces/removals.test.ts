// Which pages belong to a device that is removed, and who was given those that hold its removal up.
import { expect, it } from "vitest";
import { zeroBased } from "../../src/trace/kernel-rules.ts";
import { analyseText, kinds } from "./analyse.ts";
import { ftrace, pageAt, probe } from "./lines.ts";

const recent = { kernel: { rules: zeroBased, text: "v7.2" } };
const P = 0x40000;
const PGMAP = "0xffff888000000100";

it("a pinned page is the device's if it points to its pgmap, though no event is of devices only", () => {
  const report = analyseText(
    "t",
    ftrace([
      { at: 0.1, tid: 1, event: probe.pin(P, 2, 0) },
      { at: 0.2, tid: 2, event: `memunmap_pages: (memunmap_pages+0x4/0x10) pgmap=${PGMAP}` },
      { at: 0.3, tid: 2, event: "memunmap_pages_ret: (release_nodes+0x4/0x10 <- memunmap_pages)" },
    ]),
    recent,
  );
  expect(kinds(report)).toContain("removed-while-held error");
});

it("a removal that hangs names to whom its pages were handed out, and by which calls", () => {
  const handedOut = (pfn: number): string =>
    `zone_device_page_init: (zone_device_page_init+0x4/0x10) page=${pageAt(pfn)} refs=0 mapc=-1 w1=${PGMAP} mapping=0x0 idx=0x0 flags=0x0`;
  const stack = " => zone_device_page_init\n => dmirror_devmem_alloc_page\n => dmirror_migrate_to_device\n";
  const [first = "", second = ""] = [P, P + 1].map((pfn) =>
    ftrace([
      { at: 0.1, tid: 5, event: handedOut(pfn) },
      { at: 0.1, tid: 5, event: "<stack trace>" },
    ]),
  );
  const rest = ftrace([
    { at: 0.2, tid: 7, event: `memunmap_pages: (memunmap_pages+0x4/0x10) pgmap=${PGMAP}` },
    { at: 9, tid: 3, event: "tracing_mark_write: still there" },
  ]);
  const report = analyseText("t", first + stack + second + stack + rest, recent);
  expect(kinds(report)).toEqual(["removal-hang error"]);
  expect(report.findings[0]?.sentence).toContain(
    "2 pages (pfn 0x40000-0x40001) are in use, handed out to task-5 at 100.100000 (by dmirror_devmem_alloc_page() <- dmirror_migrate_to_device())",
  );
});

it("call paths that --cull puts together are counted", () => {
  const stack = (fn: string): string => ` => try_grab_folio_fast\n => ${fn}\n`;
  const pin = (pfn: number): string =>
    ftrace([
      { at: 0.1, tid: 1, event: probe.pin(pfn, 2, 0) },
      { at: 0.1, tid: 1, event: "<stack trace>" },
    ]);
  const text = pin(P) + stack("one_path") + pin(P + 1) + stack("other_path");
  const { outstanding } = analyseText("t", text, { ...recent, cull: ["task"] });
  expect(outstanding).toMatchObject([{ references: 2, stacks: 2, tasks: 1 }]);
});
