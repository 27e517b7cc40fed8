// A person's own probe names.
import { describe, expect, it } from "vitest";
import { TraceAnalysis } from "../../src/trace/analysis.ts";
import { ImportLog } from "../../src/trace/import-log.ts";
import { PageMap } from "../../src/trace/page-map.ts";
import { parseProbes } from "../../src/trace/probes.ts";
import { textReader } from "../../src/trace/read.ts";
import { ReadContext } from "../../src/trace/readers/reader.ts";
import { ftrace, pageAt } from "./lines.ts";

const file = JSON.stringify({
  probes: {
    my_pin: { means: "try_grab_folio_fast", fields: { page: "folio", n: "refs", gup: "flags", count: "rc" } },
    my_unpin: { means: "unpin_user_folio", fields: { page: "folio", count: "rc", n: "npages" } },
  },
});

describe("a file of probe names", () => {
  it("makes a person's own probes count", () => {
    const analysis = new TraceAnalysis();
    const context = new ReadContext(new ImportLog(), new PageMap(), analysis, parseProbes("p.json", file));
    const reader = textReader("ftrace text", context);
    reader.push(
      Buffer.from(
        ftrace([
          { at: 0, tid: 5, event: `my_pin: (x+0x0/0x10) folio=${pageAt(64)} rc=1 refs=1 flags=0x80000` },
          { at: 1, tid: 5, event: `my_pin: (x+0x0/0x10) folio=${pageAt(65)} rc=1 refs=1 flags=0x80000` },
          { at: 2, tid: 5, event: `my_unpin: (y+0x0/0x10) folio=${pageAt(64)} rc=1025 npages=1` },
        ]),
      ),
    );
    reader.end();
    const report = analysis.finish("t", "ftrace text", context);
    expect(report.outstanding.map((g) => [g.kind, g.event, g.pfns])).toEqual([
      ["pin", "try_grab_folio_fast", [65]],
    ]);
    expect(report.log.unknownEvents.size).toBe(0);
  });

  it.each([
    ["{", "is not JSON"],
    ['{"probes":{"a":{}}}', "means"],
    ['{"probes":{"a":{"means":"nothing_known"}}}', "no event of the vocabulary"],
    ['{"probes":{"a":{"means":"snap","fields":{"colour":"x"}}}}', "colour"],
    ['{"probes":{"a":{"means":"snap","fields":{"pfn":1}}}}', "expected string"],
  ])("%s is refused with the place at fault", (text, expected) => {
    expect(() => parseProbes("p.json", text)).toThrow(expected);
  });
});
