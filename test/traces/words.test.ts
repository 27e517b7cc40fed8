// Looking at four bytes at a time must find what looking at each finds.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RecentBytes } from "../../src/trace/bytes.ts";
import { HeadTable, LEAST_LINE } from "../../src/trace/text/heads.ts";
import { hashOf, indexOfByte, indexOfEither, sameBytes, viewOf } from "../../src/trace/text/words.ts";

/** Bytes that differ from each other by a bit, by the sign bit and by one: where a trick with words would err. */
const bytes = fc
  .array(fc.constantFrom(0x00, 0x01, 0x1f, 0x20, 0x21, 0x3a, 0x3b, 0x7f, 0x80, 0xa0, 0xba, 0xff), {
    maxLength: 24,
  })
  .map((list) => Buffer.from(list));

describe("words of text", () => {
  it("find the first of a byte, and of two, within a range", () => {
    fc.assert(
      fc.property(bytes, fc.nat(24), fc.nat(24), fc.constantFrom(0x20, 0x3a, 0x80), (b, x, y, byte) => {
        const [from, to] = [Math.min(x, y, b.length), Math.min(Math.max(x, y), b.length)];
        const first = (of: number[]): number => {
          const at = b.subarray(from, to).findIndex((c) => of.includes(c));
          return at < 0 ? to : from + at;
        };
        expect(indexOfByte(viewOf(b), from, to, byte)).toBe(first([byte]));
        expect(indexOfEither(viewOf(b), from, to, 0x3a, 0x20)).toBe(first([0x3a, 0x20]));
      }),
      { numRuns: 500 },
    );
  });

  it("are the same, and have the same hash, wherever they lie", () => {
    fc.assert(
      fc.property(bytes, bytes, fc.nat(3), (a, b, shift) => {
        const moved = viewOf(Buffer.concat([Buffer.alloc(shift), a]));
        expect(hashOf(moved, shift, shift + a.length)).toBe(hashOf(viewOf(a), 0, a.length));
        if (a.length === b.length) expect(sameBytes(moved, shift, viewOf(b), b.length)).toBe(a.equals(b));
      }),
      { numRuns: 500 },
    );
  });

  it("give each text its own value, whatever was there before", () => {
    const recent = new RecentBytes((text) => `<${text}>`);
    for (let i = 0; i < 3000; i++) {
      const b = Buffer.from(`mark ${i % 1000}`);
      expect(recent.get(viewOf(b), 0, b.length)).toBe(`<mark ${i % 1000}>`);
    }
  });
});

describe("heads of lines", () => {
  const line = (task: string, cpu: number): Buffer =>
    Buffer.from(
      `${task.padStart(20)}     [${String(cpu).padStart(3, "0")}] .....    32.105628: snap: pfn=0x1`,
    );

  it("are known again by all of their bytes", () => {
    const table = new HeadTable();
    for (let i = 0; i < 2000; i++) {
      const task = `task${i % 7}-${100 + (i % 7)}`;
      const b = line(task, i % 5);
      const [view, end] = [viewOf(b), b.indexOf("]") + 1];
      const head = table.find(view, 0, b.length) ?? table.add(view, 0, end, b.length, 20, i % 5);
      expect(head).toMatchObject({ cpu: i % 5, length: end, taskLength: 20 });
      expect(Buffer.from(head.bytes.buffer).toString().slice(0, 20).trim()).toBe(task);
    }
  });

  it("are not looked for in a line that ends, or goes on, at their end", () => {
    const table = new HeadTable();
    const b = line("dd-1", 0);
    const end = b.indexOf("]") + 1;
    table.add(viewOf(b), 0, end, b.length, 20, 0);
    expect(table.find(viewOf(b), 0, b.length)).not.toBeNull();
    expect(table.find(viewOf(b), 0, end)).toBeNull();
    const other = Buffer.from(b);
    other[end] = 0x2e;
    expect(table.find(viewOf(other), 0, other.length)).toBeNull();
    expect(b.length).toBeGreaterThan(LEAST_LINE);
  });
});
