// What `pagelife record` would do, on kernels that are made up: no tracing is touched here.
import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { specByName } from "../../src/events/vocabulary.ts";
import { Btf } from "../../src/trace/record/btf.ts";
import { quote, type RecordOptions, recordScript } from "../../src/trace/record/commands.ts";
import { type KernelFacts, recordTools } from "../../src/trace/record/kernel-facts.ts";
import { planProbes } from "../../src/trace/record/probe-plan.ts";
import { asEventFilter, asPredicate } from "../../src/trace/record/zone-filter.ts";
import { planFor } from "../../src/trace/text/args.ts";

/** BTF with a struct page whose counts lie in an unnamed union, one function, and zone_type. */
function smallBtf(): Buffer {
  const names = [
    "",
    "int",
    "page",
    "flags",
    "_mapcount",
    "_refcount",
    "try_grab_folio",
    "flags_first",
    "folio",
    "refs",
    "zone_type",
    "ZONE_DMA",
    "ZONE_DEVICE",
    "__MAX_NR_ZONES",
  ];
  const strings = Buffer.from(`${names.join("\0")}\0`);
  const at = (name: string): number => strings.indexOf(`\0${name}\0`) + 1;
  const types: number[] = [];
  const type = (name: number, kind: number, members: number, size: number, ...rest: number[]): void => {
    types.push(name, (kind << 24) | members, size, ...rest);
  };
  type(at("int"), 1, 0, 4, 0); // 1: int
  type(0, 5, 2, 8, at("_mapcount"), 1, 0, at("_refcount"), 1, 32); // 2: unnamed union, here with two places
  type(at("page"), 4, 2, 64, at("flags"), 1, 0, 0, 2, 0x38 * 8); // 3: struct page
  type(0, 13, 3, 1, at("flags_first"), 1, at("folio"), 1, at("refs"), 1); // 4: prototype
  type(at("try_grab_folio"), 12, 0, 4); // 5: function
  type(at("zone_type"), 6, 3, 4, at("ZONE_DMA"), 0, at("ZONE_DEVICE"), 4, at("__MAX_NR_ZONES"), 5); // 6: enum
  const body = Buffer.alloc(types.length * 4);
  for (const [i, n] of types.entries()) body.writeUInt32LE(n >>> 0, i * 4);
  const header = Buffer.alloc(24);
  header.writeUInt16LE(0xeb9f, 0);
  header.writeUInt8(1, 2);
  header.writeUInt32LE(24, 4);
  header.writeUInt32LE(0, 8);
  header.writeUInt32LE(body.length, 12);
  header.writeUInt32LE(body.length, 16);
  header.writeUInt32LE(strings.length, 20);
  return Buffer.concat([header, body, strings]);
}

const bare: KernelFacts = {
  release: "6.12.0",
  root: false,
  tracefs: null,
  functions: null,
  btf: null,
  pageRef: null,
  fsDax: null,
  nodesShift: null,
  nodes: [0],
  tools: ["tracefs"],
  pmem: [],
};
const options: RecordOptions = {
  tool: "tracefs",
  output: "trace.txt",
  bufferKb: 4096,
  pfns: [0x40000, 0x7ffff],
  stacks: true,
  seconds: 5,
  command: [],
  tracefs: "/sys/kernel/tracing",
  release: "6.12.0",
};

describe("BTF", () => {
  const btf = Btf.parse(smallBtf());

  it("gives offsets through unnamed unions, parameters by name, and enumerators", () => {
    expect(btf?.struct("page")).toEqual([
      { name: "flags", offset: 0, size: 4 },
      { name: "_mapcount", offset: 0x38, size: 4 },
      { name: "_refcount", offset: 0x3c, size: 4 },
    ]);
    expect(btf?.parameters("try_grab_folio")).toEqual(["flags_first", "folio", "refs"]);
    expect(btf?.enumerator("zone_type", "ZONE_DEVICE")).toBe(4);
    expect(btf?.struct("nothing")).toBe(null);
  });

  it("is refused, not believed, when it is damaged", () => {
    const good = smallBtf();
    for (let i = 0; i < good.length; i++) {
      const bad = Buffer.from(good);
      bad[i] = (bad[i] ?? 0) ^ 0xff;
      const parsed = Btf.parse(bad.subarray(0, good.length - (i % 7)));
      try {
        parsed?.struct("page");
        parsed?.parameters("try_grab_folio");
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError);
      }
    }
  });
});

describe("the plan of probes", () => {
  it("takes offsets and places of arguments from BTF, and filters by zone", () => {
    const plan = planProbes({ ...bare, btf: Btf.parse(smallBtf()), nodesShift: 10, nodes: [0, 1] });
    const grab = plan.probes.find((p) => p.event === "try_grab_folio");
    expect(plan.offsets).toBe("BTF");
    expect(grab?.args).toContain("page=$arg2:x64 refs=+0x3c($arg2):s32 mapc=+0x38($arg2):s32");
    expect(grab?.args).toContain("n=$arg3:s32");
    if (typeof plan.zone === "string") throw new Error(plan.zone);
    expect(asPredicate(plan.zone, "f")).toBe("(f >> 51) == 4 || (f >> 51) == 12");
    expect(asEventFilter(plan.zone)).toBe(
      "(flags >= 0x20000000000000 && flags <= 0x27ffffffffffff) || (flags >= 0x60000000000000 && flags <= 0x67ffffffffffff)",
    );
  });

  it("leaves out what the kernel does not have, and says why", () => {
    const plan = planProbes({ ...bare, functions: new Set(["try_grab_folio"]), pageRef: false });
    expect(plan.probes.map((p) => p.event)).toEqual(["try_grab_folio"]);
    expect(plan.skipped.length).toBeGreaterThan(20);
    expect(plan.tracepoints).toEqual(["sched/sched_process_exit", "fs_dax"]);
  });

  it("prints every field under the name by which the analysis reads it", () => {
    for (const probe of planProbes(bare).probes) {
      const spec = specByName.get(probe.event);
      expect(spec, probe.event).toBeDefined();
      if (spec === undefined) continue;
      const wanted = planFor(spec).wanted.map((x) => new TextDecoder().decode(x.key));
      const printed = [...probe.args.matchAll(/(?:^| )(\w+)=/g)].map((m) => m[1] ?? "");
      if (wanted.includes("page")) expect(printed, probe.event).toContain("page");
      // A PMD is one mapping.
      if (spec.fields.n !== undefined && !/range|_pmd$/.test(probe.event))
        expect(printed, probe.event).toContain("n");
    }
  });
});

describe.each(recordTools)("the script for %s", (tool) => {
  it.each([
    { command: ["fio", "my job.fio"] },
    { command: [], seconds: null },
    { stacks: false },
  ])("is a shell script: %j", (more) => {
    const script = recordScript(planProbes(bare), { ...options, tool, ...more }, ["made up"]);
    expect(spawnSync("sh", ["-n"], { input: script, encoding: "utf8" })).toMatchObject({
      status: 0,
      stderr: "",
    });
  });
});

it("the program for bpftrace reads through pointers, and takes arguments as they are", () => {
  const plan = planProbes({
    ...bare,
    functions: new Set(["try_grab_folio_fast"]),
    btf: Btf.parse(smallBtf()),
    nodesShift: 10,
  });
  const script = recordScript(plan, { ...options, tool: "bpftrace" }, []);
  expect(script).toContain("*(int32*)(arg0 + 60)"); // _refcount at 0x3c
  expect(script).toContain("(int32)arg1");
  expect(script).toContain("kprobe:try_grab_folio_fast /(*(uint64*)(arg0 + 0) >> 51) == 4/ {");
});

it("quotes words for the shell", () => {
  expect(["a", "a b", "it's", "$x", ""].map(quote)).toEqual(["a", "'a b'", "'it'\\''s'", "'$x'", "''"]);
});

it("the script for tracefs reads well", () => {
  const plan = planProbes({
    ...bare,
    functions: new Set(["try_grab_folio_fast", "dax_layout_busy_page_range"]),
  });
  expect(recordScript(plan, options, ["Records what `pagelife trace` needs."])).toMatchSnapshot();
});
