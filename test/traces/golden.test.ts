// Recordings of real kernels, cut down to four pages of 64, and what is said about them. Each golden
// text was compared by hand with the recording and with what the workload itself printed.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { traceText } from "../../src/report/trace-text.ts";
import { outcomeOf } from "../../src/trace/report.ts";
import { analyseText, kinds } from "./analyse.ts";

const folder = join(import.meta.dirname, "../fixtures/traces");
const recordings = readdirSync(folder).filter((f) => f.endsWith(".txt") && !f.endsWith(".golden.txt"));
const read = (name: string) => analyseText(name, readFileSync(join(folder, name)));

describe("recordings of real kernels", () => {
  it.each(recordings)("%s", async (name) => {
    await expect(traceText(read(name))).toMatchFileSnapshot(
      join(folder, name.replace(/\.txt$/, ".golden.txt")),
    );
  });

  it.each(recordings)("%s says the same whatever the size of the chunks it comes in", (name) => {
    const whole = traceText(read(name));
    const bytes = readFileSync(join(folder, name));
    for (const size of [1, 7, 1000]) expect(traceText(analyseText(name, bytes, {}, size))).toBe(whole);
  });
});

describe("punch hole against a pinned page", () => {
  it("names who pinned, how long the waiter waited, and what let it go on", () => {
    const report = read("punch_pinned.ext4.6.12.txt");
    expect(kinds(report)).toEqual(["waited note"]);
    expect(outcomeOf(report)).toBe("clean");
    expect(report.findings[0]?.sentence).toMatchInlineSnapshot(
      `"daxops-334 waited 1.158 s in ext4_break_layouts() (called by ext4_fallocate()) for 4 pages (pfn 0x48400-0x48403) that daxops-338 had pinned since 32.790291 (by try_grab_folio_fast()); unpin_user_folio() by daxops-338 at 34.096441 dropped the last reference to pfn 0x48400 (count -> 1), and wake_up_var() at 34.096488 let it go on."`,
    );
  });

  it("is a wait that nothing ends on 7.2 if the page is mapped again", () => {
    const report = read("punch_refault.ext4.7.2.txt");
    expect(kinds(report)).toEqual(["stuck-wait error"]);
    expect(outcomeOf(report)).toBe("finding");
    expect(report.findings[0]?.sentence).toMatchInlineSnapshot(
      `"daxops-190 waited 11.117 s in ext4_break_layouts() (called by ext4_fallocate()), 10.057 s of it after the last pin was gone: pfn 0x48400 was mapped again by daxops-185 at 32.628753, during the wait, so when daxops-188 dropped the last pin at 33.435960 the count fell to 1, held by that mapping; the waiter sleeps until it is 0, so nothing could wake it before a munmap. daxops-185 unmapping it at 43.492815 brought the count to 0, and wake_up_var() at 43.492875 ended the wait."`,
    );
  });

  it("is no finding on 6.12, where a mapping holds no reference", () => {
    const report = read("punch_refault.ext4.6.12.txt");
    expect(kinds(report)).toEqual(["waited note"]);
    expect(outcomeOf(report)).toBe("clean");
  });

  it("does not wait on 6.12 if nobody maps the file", () => {
    expect(kinds(read("vmsplice_munmap.ext4.6.12.txt"))).toEqual(["did-not-wait error"]);
  });
});

describe("a device that is removed", () => {
  it("is found to be pinned, on 6.12 and on 7.2", () => {
    expect(kinds(read("unbind_devdax.6.12.txt"))[0]).toBe("removed-while-held error");
    expect(kinds(read("unbind_devdax.7.2-pageref.txt"))[0]).toBe("removed-while-held error");
  });

  it("is found to be mapped, on 7.2", () => {
    expect(kinds(read("unbind.ext4.7.2.txt"))).toEqual(["removed-while-mapped error"]);
  });
});
