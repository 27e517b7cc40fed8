// Names of functions by address, from a copy of /proc/kallsyms.
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

  it("do not exist where addresses are hidden", () => {
    expect(symbolsOf("0000000000000000 T _stext").name(0xffffffff81000000n)).toBe("0xffffffff81000000");
    expect(new Symbols(Buffer.alloc(0)).name(1n)).toBe("0x1");
  });
});
