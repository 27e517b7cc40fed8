// How fast recordings are read and analysed, and in how much memory, with `trace-cmd report` beside it:
//   npm run build && node bench/trace/readers.mjs [MILLIONS OF EVENTS]
// The recordings are the fixtures, repeated with the clock running on. The whole command is timed: start,
// reading, analysis and report; on one core and on two. trace-cmd (if installed) prints the same file to /dev/null.
import { spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";

const root = fileURLToPath(new URL("../..", import.meta.url));
const fixtures = join(root, "test/fixtures/traces");
const millions = Number(process.argv[2] ?? 1);
const folder = mkdtempSync(join(tmpdir(), "pagelife-bench-"));

/** Repeats the event lines of a text, each time some seconds later. */
function bigText(path, name, wanted) {
  const lines = readFileSync(join(fixtures, name), "latin1")
    .split("\n")
    .filter((l) => l !== "" && !l.startsWith("#"));
  const parts = lines.map((l) => /^(.{16}-\d+ +\[\d+\] \S+ *)(\d+)(\.\d{6}: .*)$/.exec(l));
  if (parts.some((p) => p === null)) throw new Error(`${name}: a line that is no event`);
  const fd = openSync(path, "w");
  let written = 0;
  for (let round = 0; written < wanted; round++) {
    writeSync(
      fd,
      `${parts.map(([, head, seconds, rest]) => `${head}${Number(seconds) + round * 20}${rest}`).join("\n")}\n`,
    );
    written += lines.length;
  }
  closeSync(fd);
  return written;
}

/** Repeats the pages of a version 6 file, each time some seconds later. */
function bigDat(path, name, wanted, events) {
  const b = gunzipSync(readFileSync(join(fixtures, "dat", name)));
  const fly = b.lastIndexOf("flyrecord\0", b.length, "latin1") + 10;
  const cpus = [];
  for (let at = fly; cpus.length < 2; at += 16)
    cpus.push({ at, offset: Number(b.readBigUInt64LE(at)), size: Number(b.readBigUInt64LE(at + 8)) });
  const rounds = Math.ceil(wanted / events);
  const header = Buffer.from(b.subarray(0, cpus[0].offset));
  let place = cpus[0].offset;
  for (const c of cpus) {
    header.writeBigUInt64LE(BigInt(place), c.at);
    header.writeBigUInt64LE(BigInt(c.size * rounds), c.at + 8);
    place += c.size * rounds;
  }
  const fd = openSync(path, "w");
  writeSync(fd, header);
  for (const c of cpus) {
    const pages = Buffer.from(b.subarray(c.offset, c.offset + c.size));
    for (let round = 0; round < rounds; round++) {
      writeSync(fd, pages);
      for (let p = 0; p < pages.length; p += 4096)
        pages.writeBigUInt64LE(pages.readBigUInt64LE(p) + 20_000_000_000n, p);
    }
  }
  closeSync(fd);
  return events * rounds;
}

function pagelife(file, jobs) {
  const started = performance.now();
  const command = [join(root, "dist/cli/main.js"), "trace", "--jobs", jobs, file];
  const run = spawnSync(process.execPath, ["--require", join(root, "bench/trace/rss.cjs"), ...command], {
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  const seconds = (performance.now() - started) / 1000;
  if (run.status === null || run.status > 4) throw new Error(run.stderr);
  const counted = Number(/, (\d+) events?,/.exec(run.stdout)?.[1]);
  return { seconds, counted, ...JSON.parse(run.stderr.trim().split("\n").pop()) };
}

/** CPU seconds and seconds on the clock; the shell's `times` tells the former. */
function traceCmd(file) {
  const started = performance.now();
  const run = spawnSync("sh", ["-c", 'trace-cmd report -i "$1" > /dev/null 2>&1; times', "sh", file], {
    encoding: "utf8",
  });
  const children = [...(run.stdout.trim().split("\n").pop() ?? "").matchAll(/(\d+)m([\d.]+)s/g)];
  const cpuSeconds = children.reduce((sum, m) => sum + Number(m[1]) * 60 + Number(m[2]), 0);
  return cpuSeconds < 0.05 ? null : { cpuSeconds, seconds: (performance.now() - started) / 1000 };
}

const row = (cells) =>
  console.log(cells.map((c, i) => String(c)[i === 0 ? "padEnd" : "padStart"](i === 0 ? 34 : 13)).join(""));
console.log(`${cpus()[0]?.model}, ${cpus().length} cores, Node ${process.version}`);
row([
  "recording",
  "jobs",
  "events",
  "MiB",
  "seconds",
  "CPU s",
  "events/CPU s",
  "RSS MiB",
  "trace-cmd s",
  "its CPU s",
  "times faster",
]);
try {
  const wanted = millions * 1e6;
  const inputs = [
    ["ftrace text, kprobes", "k.txt", (p) => bigText(p, "punch_refault.ext4.7.2.txt", wanted)],
    [
      "ftrace text, page_ref and kprobes",
      "p.txt",
      (p) => bigText(p, "punch_pinned.ext4.7.2-pageref.txt", wanted),
    ],
    ["trace.dat version 6", "6.dat", (p) => bigDat(p, "punch_pinned.ext4.7.2.v6.dat.gz", wanted, 1041)],
  ];
  for (const [title, name, make] of inputs) {
    const path = join(folder, name);
    make(path);
    const isDat = name.endsWith(".dat");
    const files = [[title, path]];
    if (
      isDat &&
      spawnSync("trace-cmd", [
        "convert",
        "-i",
        path,
        "-o",
        `${path}.7`,
        "--file-version",
        "7",
        "--compression",
        "zstd",
      ]).status === 0
    ) {
      files.push(["trace.dat version 7, zstd", `${path}.7`]);
    }
    for (const [t, file] of files) {
      const theirs = isDat ? traceCmd(file) : null;
      for (const jobs of ["1", "2"]) {
        const ours = pagelife(file, jobs);
        row([
          t,
          jobs,
          ours.counted,
          Math.round(statSync(file).size / 2 ** 20),
          ours.seconds.toFixed(2),
          ours.cpuSeconds.toFixed(2),
          Math.round(ours.counted / ours.cpuSeconds),
          ours.rssMiB,
          theirs === null ? "-" : theirs.seconds.toFixed(2),
          theirs === null ? "-" : theirs.cpuSeconds.toFixed(2),
          theirs === null ? "-" : (theirs.seconds / ours.seconds).toFixed(1),
        ]);
      }
    }
    rmSync(path, { force: true });
    rmSync(`${path}.7`, { force: true });
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
