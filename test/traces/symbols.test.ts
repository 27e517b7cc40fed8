// Names of functions by address, from a copy of /proc/kallsyms.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Symbols } from "../../src/trace/readers/trace-dat/symbols.ts";

const symbolsOf = (...lines: string[]): Symbols => new Symbols(Buffer.from(`${lines.join("\n")}\n`));

describe("kernel symbols", () => {
  const symbols = symbolsOf(
    "0000000000000000 A fixed_percpu_data",
    "ffffffff81000000 T _stext",
    "ffffffff81000100 t helper.isra.0",
    "ffffffff81000200 D a_variable",
    "ffffffff81000300 W weak_one",
    "ffffffffc0212340 t ext4_dax_fault\t[ext4]",
    "ffffffffc0200000 T first_of_module\t[nd_pmem]",
    "not a line of it",
    "ffffffff81000400",
  );

  it("are found from their start to the next, whatever module they are in", () => {
    expect(symbols.name(0xffffffff81000000n)).toBe("_stext");
    expect(symbols.name(0xffffffff810000ffn)).toBe("_stext");
    expect(symbols.name(0xffffffff81000100n)).toBe("helper.isra.0");
    expect(symbols.name(0xffffffffc0212341n)).toBe("ext4_dax_fault");
    expect(symbols.name(0xffffffffc0200001n)).toBe("first_of_module");
  });

  it("are functions only: variables are passed by", () => {
    expect(symbols.name(0xffffffff81000280n)).toBe("helper.isra.0");
    expect(symbols.name(0xffffffff81000301n)).toBe("weak_one");
  });

  it("stay addresses below the first, and more than a megabyte behind any", () => {
    expect(symbols.name(0xffffffff80ffffffn)).toBe("0xffffffff80ffffff");
    expect(symbols.name(0xffffffff81100301n)).toBe("0xffffffff81100301");
    expect(symbols.name(0x1000n)).toBe("0x1000");
  });

  it("may come in any order, and from a machine of 32 bits", () => {
    const mixed = symbolsOf("c0300000 t third", "c0100000 T first", "c0200000 t second");
    expect([0xc0100001n, 0xc0200001n, 0xc0300001n].map((a) => mixed.name(a))).toEqual([
      "first",
      "second",
      "third",
    ]);
  });

  it("of one address are told by the last", () => {
    expect(symbolsOf("ffffffff81000000 T one", "ffffffff81000000 t alias").name(0xffffffff81000000n)).toBe(
      "alias",
    );
  });

  describe("of a whole kernel", () => {
    // Variables lie between functions and in a stretch of their own; modules come last, in any order.
    const at = (i: number): bigint => 0xffffffff81000000n + BigInt(i) * 0x40n;
    const module = (i: number): bigint => 0xffffffffc0000000n + BigInt((i * 7919) % 1000) * 0x100n;
    const lines = [
      "0000000000000000 A fixed_percpu_data",
      ...Array.from({ length: 4000 }, (_, i) => {
        const type = i % 3 === 1 || i >= 3000 ? "d" : "T";
        return `${at(i).toString(16)} ${type} own_${i}`;
      }),
      ...Array.from({ length: 1000 }, (_, i) => `${module(i).toString(16)} t module_${i}\t[m${i % 5}]`),
    ];
    const addresses = fc.oneof(
      fc.tuple(fc.nat(4100), fc.integer({ min: -1, max: 1 })).map(([i, by]) => at(i) + BigInt(by)),
      fc.tuple(fc.nat(1100), fc.integer({ min: -1, max: 1 })).map(([i, by]) => module(i) + BigInt(by)),
      fc.constantFrom(0n, 1n, at(0) - 1n, at(20_000), module(0) - 1n, module(999) + 0x200000n),
    );
    /** The last function, by looking at every line. */
    const functionsOf = (text: readonly string[]) =>
      text
        .map((line) => line.split(/\s/))
        .filter(([, type = ""]) => /[tTwW]/.test(type))
        .map(([digits, , name = ""]) => ({ start: BigInt(`0x${digits}`), name }));
    const simple = (functions: ReturnType<typeof functionsOf>, address: bigint): string => {
      const before = functions.filter(({ start }) => start <= address && address - start <= 0x100000n);
      return before.reduce((best, f) => (f.start >= best.start ? f : best), {
        start: 0n,
        name: `0x${address.toString(16)}`,
      }).name;
    };

    it("are found as by looking at every line", () => {
      const symbols = symbolsOf(...lines);
      const functions = functionsOf(lines);
      fc.assert(
        fc.property(addresses, (a) => {
          expect(symbols.name(a)).toBe(simple(functions, a));
        }),
        { seed: 1, numRuns: 500 },
      );
    });

    it("are found although the kernel's own are in no order", () => {
      const shuffled = lines.map((_, i) => lines[(i * 1009) % lines.length] as string);
      const symbols = symbolsOf(...shuffled.filter((l) => !l.includes("[")));
      const functions = functionsOf(shuffled.filter((l) => !l.includes("[")));
      fc.assert(
        fc.property(addresses, (a) => {
          expect(symbols.name(a)).toBe(simple(functions, a));
        }),
        { seed: 1, numRuns: 200 },
      );
    });
  });

  it("do not exist where addresses are hidden", () => {
    expect(symbolsOf("0000000000000000 T _stext").name(0xffffffff81000000n)).toBe("0xffffffff81000000");
    expect(new Symbols(Buffer.alloc(0)).name(1n)).toBe("0x1");
  });
});
