// Lines as kernels and tools print them, at their most awkward, and input that is no recording at all.
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { KernelEvent } from "../../src/events/event.ts";
import { traceText } from "../../src/report/trace-text.ts";
import { detect } from "../../src/trace/detect.ts";
import { ImportLog } from "../../src/trace/import-log.ts";
import { PageMap } from "../../src/trace/page-map.ts";
import { type TextFormat, textReader } from "../../src/trace/read.ts";
import { ReadContext } from "../../src/trace/readers/reader.ts";
import { MAX_LINE } from "../../src/trace/text/lines.ts";
import { timeText } from "../../src/trace/wording.ts";
import { analyseText } from "./analyse.ts";
import { ftrace, pageAt, probe } from "./lines.ts";

function events(format: TextFormat, text: string): { readonly seen: string[]; readonly log: ImportLog } {
  const seen: string[] = [];
  const log = new ImportLog();
  const context: ReadContext = new ReadContext(log, new PageMap(), {
    event: (e: KernelEvent) =>
      seen.push(`${e.task.comm}|${e.task.tid}|${e.cpu}|${timeText(context.clock, e.time)}|${e.spec.name}`),
    stack: (cpu, stack) => seen.push(`stack ${cpu} ${stack.frames.join(",")}`),
    lost: (cpu) => seen.push(`lost ${cpu}`),
  });
  const reader = textReader(format, context);
  reader.push(Buffer.from(text));
  reader.end();
  return { seen, log };
}

describe("ftrace text", () => {
  it.each([
    [
      "          daxops-185     [001] ...1.    32.038888: snap: (x+0x4/0x20) pfn=0x48400 refs=1",
      "daxops|185|1|32.038888|snap",
    ],
    [
      "     kworker/u16:1-77      (     77) [004] d..2.   316.196720: snap: pfn=0x40",
      "kworker/u16:1|77|4|316.196720|snap",
    ],
    [
      "           <idle>-0       (-------) [000] d..2.   316.196720: snap: pfn=0x40",
      "<idle>|0|0|316.196720|snap",
    ],
    ["           <idle>-0       [000]     0.002188: snap: pfn=0x40", "<idle>|0|0|0.002188|snap"],
    [
      "            <...>-4242    [127] .N.2. 12345.678901: snap: pfn=0x40",
      "<...>|4242|127|12345.678901|snap",
    ],
    ["  a-1 [000] b- c-99      [003] ..... 5.000001: snap: pfn=0x40", "a-1 [000] b- c|99|3|5.000001|snap"],
    ["            -----7       [000] ..... 5.000001: snap: pfn=0x40", "----|7|0|5.000001|snap"],
    ["task-1 [000] ..... 5.000001: snap: pfn=0x40", "task|1|0|5.000001|snap"],
    ["  my task-12 [000] ..... 5.000001: snap: pfn=0x40", "my task|12|0|5.000001|snap"],
    ["             task-1       [000] ..... 5.000001234: snap: pfn=0x40", "task|1|0|5.000001234|snap"],
    ["             task-1       [000] d..2.6. 5.000001: snap: pfn=0x40", "task|1|0|5.000001|snap"],
    ["             task-1       [000] ..... 123456789012: snap: pfn=0x40", "task|1|0|123456789012|snap"],
    ["  daxops-334       1d..1. 32578180us!: snap: pfn=0x40", "daxops|334|1|32.578180|snap"],
    ["  daxops-587     1.....    55.492541: snap:       pfn=0x40", "daxops|587|1|55.492541|snap"],
    ["             task-1       [000] ..... 5.000001: snap: pfn=0x40\r", "task|1|0|5.000001|snap"],
  ])("reads %j", (line, expected) => {
    expect(events("ftrace text", `${line}\n`).seen).toEqual([expected]);
  });

  it("counts losses, with and without a number", () => {
    const { seen, log } = events("ftrace text", "CPU:1 [LOST 12 EVENTS]\nCPU:0 [LOST EVENTS]\n");
    expect(seen).toEqual(["lost 1", "lost 0"]);
    expect(log.lostCount).toBe(null);
    expect(log.count("lostEvents")).toBe(2);
  });

  it("notes what was overwritten before it was read", () => {
    expect(
      events("ftrace text", "# entries-in-buffer/entries-written: 100/250   #P:2\n").log.count("overwritten"),
    ).toBe(150);
  });

  it("gives a stack to the CPU of the event before it", () => {
    const text = `${ftrace([
      { at: 0, cpu: 3, event: probe.pin(64, 1) },
      { at: 0, cpu: 3, event: "<stack trace>" },
    ])} => try_grab_folio_fast\n => a.isra.0+0x1/0x2 [mod]\n${ftrace([{ at: 1, event: "tracing_mark_write: x" }])}`;
    expect(events("ftrace text", text).seen[1]).toBe("stack 3 try_grab_folio_fast,a");
  });

  it("takes any comm that the kernel can print", () => {
    fc.assert(
      fc.property(
        fc.string({
          minLength: 1,
          maxLength: 15,
          unit: fc.constantFrom("a", "-", "[", "]", "(", ")", " ", "0", "9", ":", ".", "=", "<", ">"),
        }),
        fc.nat(4_194_304),
        (comm, tid) => {
          const { seen } = events(
            "ftrace text",
            ftrace([{ comm, tid, at: 1, event: "tracing_mark_write: x" }]),
          );
          expect(seen).toEqual([`${comm.trimStart()}|${tid}|0|101.000000|tracing_mark_write`]);
        },
      ),
      { seed: 1, numRuns: 300 },
    );
  });
});

describe("trace-cmd report", () => {
  it("reads padded names and dropped events", () => {
    const text =
      "cpus=2\n          daxops-587   [001]    55.482334: try_grab_folio:       (ffffffff811ba854) page=0xffffea00027dc900 refs=2\nCPU:1 [7 EVENTS DROPPED]\nCPU:0 [EVENTS DROPPED]\n";
    expect(detect(Buffer.from(text))).toEqual({ kind: "text", format: "trace-cmd report" });
    const { seen, log } = events("trace-cmd report", text);
    expect(seen).toEqual(["daxops|587|1|55.482334|try_grab_folio", "lost 1", "lost 0"]);
    expect(log.count("malformedLine")).toBe(0);
  });
});

describe("perf script", () => {
  const text = `# ========
# os release : 6.12.117+deb12-amd64
          daxops   334 [001]    32.578180:                dax:try_grab_folio_fast: (ffffffff811ba854) page=${pageAt(0x48400)} refs=1 mapc=-1 n=1 gup=0x80001
\tffffffff811ba854 try_grab_folio_fast+0x4 ([kernel.kallsyms])
\tffffffff811bb000 gup_fast_fallback+0x20 ([kernel.kallsyms])

     my [0] task  334/335  [000] 32.600000001: page_ref:page_ref_mod: pfn=0x48400 count=2 val=1
swapper     0 [000]    33.000000: PERF_RECORD_LOST lost 34
`;

  it("is told from ftrace text, and read with call chains and losses", () => {
    expect(detect(Buffer.from(text))).toEqual({ kind: "text", format: "perf script" });
    const { seen, log } = events("perf script", text);
    expect(seen).toEqual([
      "daxops|334|1|32.578180|try_grab_folio_fast",
      "stack 1 try_grab_folio_fast,gup_fast_fallback",
      "my [0] task|335|0|32.600000001|page_ref_mod",
      "lost -1",
    ]);
    expect(log.kernelText).toBe("6.12.117+deb12-amd64");
    expect(log.lostCount).toBe(34);
  });
});

describe("what perf script of a real kernel prints", () => {
  const text = readFileSync(new URL("../fixtures/traces/perf/processes.6.18.txt", import.meta.url), "utf8");

  it("is read: events of processes, call chains of the kernel only, no record of perf's own", () => {
    expect(detect(Buffer.from(text)).kind).toBe("text");
    const { seen, log } = events("perf script", text);
    // The vocabulary has sched_process_exit; the chain that follows ends where user space begins.
    const exit = (task: string, cpu: number, time: string): string[] => [
      `${task}|${cpu}|${time}|sched_process_exit`,
      `stack ${cpu} do_exit,do_group_exit,__x64_sys_exit_group,x64_sys_call,do_syscall_64,entry_SYSCALL_64_after_hwframe`,
    ];
    expect(seen).toEqual([
      ...exit("sleep|18614", 0, "14387.870371248"),
      ...exit("true|18615", 1, "14387.887340886"),
      ...exit("my [0] app|18612", 0, "14387.887600397"),
    ]);
    expect(log.count("malformedLine")).toBe(0);
    expect(log.kernelText).toBe("6.18.44-fc-v595");
  });
});

describe("a call stack", () => {
  it("belongs to the event before it on its CPU, and not to one before that", () => {
    const { seen } = events(
      "ftrace text",
      `${ftrace([
        { at: 1, event: probe.pin(64, 1) },
        { at: 2, event: "sched_switch: prev_comm=a ==> next_comm=b" },
        { at: 3, event: "<stack trace>" },
      ])} => schedule\n => do_exit\n`,
    );
    expect(seen.filter((s) => s.startsWith("stack"))).toEqual([]);
  });
});

describe("what is no recording", () => {
  it.each([
    ["", "empty"],
    ["hello\n", "unknown"],
    ["PERFILE2xxxxxxxx", "unknown"],
    ["\x7fELF\x02\x01", "unknown"],
    ["\x17\x08\x44tracing6\0\0\x08", "trace.dat"],
    ["\x1f\x8b\x08", "wrapper"],
  ])("%j is %s", (text, kind) => {
    expect(detect(Buffer.from(text, "latin1")).kind).toBe(kind);
  });

  it("tells how to convert perf.data", () => {
    expect(detect(Buffer.from("PERFILE2xxxxxxxx"))).toMatchObject({
      hint: expect.stringContaining("perf script"),
    });
  });
});

describe("bad input", () => {
  const good = ftrace([
    { at: 1, event: probe.pin(64, 1) },
    { at: 2, event: probe.unpin(64, 1025) },
  ]);

  it("leaves out a line without an end, in bounded memory", () => {
    const log = new ImportLog();
    const context = new ReadContext(log, new PageMap(), {
      event: () => undefined,
      stack: () => undefined,
      lost: () => undefined,
    });
    const reader = textReader("ftrace text", context);
    reader.push(Buffer.from(good));
    const chunk = Buffer.alloc(1 << 20, "x");
    const before = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < 256; i++) reader.push(chunk);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 << 20);
    reader.push(Buffer.from(`\n${good}`));
    reader.end();
    expect(log.count("longLine")).toBe(1);
    expect(context.events).toBe(4);
  });

  it("keeps lines of 64 KiB and leaves out longer ones, wherever the chunks end", () => {
    for (const extra of [0, 1]) {
      const text = `${good}${"y".repeat(MAX_LINE + extra)}\n${good}`;
      for (const size of [1000, 65_536, 1 << 20]) {
        const report = analyseText("t", text, {}, size);
        expect(report.events).toBe(4);
        expect(report.log.count("longLine")).toBe(extra);
        expect(report.log.count("malformedLine")).toBe(1 - extra);
      }
    }
  });

  it("says that the last line is cut off", () => {
    const report = analyseText("t", `${good}           daxops-185     [001] ...1. `);
    expect(report.log.count("truncated")).toBe(1);
    expect(traceText(report)).toContain("The file is cut off at its end.");
  });

  it("shows control characters of a hostile name as text", () => {
    const text = traceText(
      analyseText(
        "evil\x1b[2J.txt",
        ftrace([
          { comm: "\x1b]0;x\x07<b>", tid: 5, at: 1, event: probe.pin(64, 1) },
          { at: 2, event: "ev\x1bil: x" },
        ]),
      ),
    );
    expect(text).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f]/);
    expect(text).toContain("\\x1b]0;x\\x07<b>-5");
  });
});
