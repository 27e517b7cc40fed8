// trace.dat against what `trace-cmd report` 3.1.6 printed for the same file, event by event and field
// by field. The files were cut from recordings of real kernels: version 6 as converted by trace-cmd,
// the same with all bytes in big-endian order (trace-cmd prints the same text for it), and version 7
// with zstd, converted back by trace-cmd.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { prepareZstd } from "../../src/trace/readers/trace-dat/decompress.ts";
import { eventsOfReport, eventsOfTraceDat } from "./events.ts";

const folder = join(import.meta.dirname, "../fixtures/traces/dat");
const load = (name: string): Buffer => {
  const bytes = readFileSync(join(folder, name));
  return name.endsWith(".gz") ? gunzipSync(bytes) : bytes;
};
const files = readdirSync(folder);
const reports = files.filter((f) => f.endsWith(".report.txt.gz"));
const variants = ["v6.dat.gz", "v6-big-endian.dat.gz", "v7-zstd.dat"];

describe.each(reports.map((r) => r.replace(".report.txt.gz", "")))("%s", (name) => {
  const expected = eventsOfReport(load(`${name}.report.txt.gz`));

  it.each(variants)("%s has the events of trace-cmd report", (variant) => {
    expect(expected.length).toBeGreaterThan(900);
    expect(eventsOfTraceDat(load(`${name}.${variant}`))).toEqual(expected);
  });
});

it("zstd by WebAssembly gives the same events", async () => {
  const name = reports[0]?.replace(".report.txt.gz", "") ?? "";
  const before = eventsOfTraceDat(load(`${name}.v7-zstd.dat`));
  await prepareZstd();
  expect(eventsOfTraceDat(load(`${name}.v7-zstd.dat`))).toEqual(before);
  const damaged = Buffer.from(load(`${name}.v7-zstd.dat`));
  for (let at = 5000; at < damaged.length; at += 997) damaged[at] = (damaged[at] ?? 0) ^ 0x5a;
  expect(() => eventsOfTraceDat(damaged)).not.toThrow(TypeError);
});

describe("a damaged trace.dat", () => {
  const whole = load(`${reports[0]?.replace(".report.txt.gz", "")}.v6.dat.gz`);
  const all = eventsOfTraceDat(whole);

  it("gives the events before the place where it is cut off, and says so", () => {
    const cut = eventsOfTraceDat(whole.subarray(0, whole.length - 20_000));
    expect(cut.length).toBeGreaterThan(100);
    expect(cut.length).toBeLessThan(all.length);
    expect(cut.some((line) => line.startsWith("lost"))).toBe(true);
  });
});
