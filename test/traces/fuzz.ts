// Damaged recordings: real and written ones, with bits flipped, parts cut, doubled, moved or replaced.
// Everything follows from the seed, so that an input that once made trouble can be made again.
import { traceText } from "../../src/report/trace-text.ts";
import { TraceAnalysis } from "../../src/trace/analysis.ts";
import { ImportLog } from "../../src/trace/import-log.ts";
import { PageMap } from "../../src/trace/page-map.ts";
import { ReadContext } from "../../src/trace/readers/reader.ts";
import { readBytes } from "./read-bytes.ts";

/** Numbers from 0 to 1 that follow from a seed (mulberry32). */
export function random(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), a | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const NASTY = [
  "\x1b[2J",
  "\0",
  "\xff\xff\xff\xff",
  "=",
  "0x",
  "-",
  "[",
  "]",
  ":",
  "\n",
  "99999999999999999999",
  "NaN",
  "<script>",
  "=> ",
  "CPU:0 [LOST 5 EVENTS]\n",
  "<stack trace>",
  "\x7f",
  "(",
  "%n",
  "__proto__",
  "constructor",
];

/** One damaged input, made of one of `bases`. */
export function damage(bases: readonly Buffer[], seed: number): Buffer {
  const rnd = random(seed);
  const pick = (n: number): number => Math.floor(rnd() * n);
  let b = Buffer.from(bases[pick(bases.length)] as Buffer);
  const times = 1 + pick(8);
  for (let i = 0; i < times && b.length > 0; i++) {
    const at = pick(b.length);
    const length = 1 + pick(Math.min(200, b.length));
    switch (pick(8)) {
      case 0:
        b[at] = (b[at] as number) ^ (1 << pick(8));
        break;
      case 1:
        b = b.subarray(0, at);
        break;
      case 2:
        b = Buffer.concat([b.subarray(0, at), b.subarray(at + length)]);
        break;
      case 3:
        b = Buffer.concat([b.subarray(0, at), b.subarray(at, at + length), b.subarray(at)]);
        break;
      case 4: {
        const nasty = Buffer.from(NASTY[pick(NASTY.length)] as string, "latin1");
        b = Buffer.concat([b.subarray(0, at), nasty, b.subarray(at)]);
        break;
      }
      case 5:
        for (let k = at; k < Math.min(b.length, at + 8); k++) b[k] = pick(256);
        break;
      case 6:
        b.fill(pick(2) * 255, at, Math.min(b.length, at + length));
        break;
      default: {
        // The numbers that sizes and counts are made of.
        if (at + 8 <= b.length)
          b.writeBigUInt64LE(BigInt.asUintN(64, (1n << BigInt(pick(64))) - BigInt(pick(3))), at);
      }
    }
  }
  return b;
}

/** Reads, analyses and prints an input, as the command does. @returns the text, or null if it is refused. */
export function digest(input: Buffer): string | null {
  const analysis = new TraceAnalysis();
  const context = new ReadContext(new ImportLog(), new PageMap(), analysis);
  const format = readBytes(input, context);
  return format === null ? null : traceText(analysis.finish("fuzz", format, context));
}
