import { describe, expect, it } from "vitest";
import { encode, Interner, identity, tagFunction, type Value } from "./value.ts";

const text = (value: unknown): string => encode(value, "a test");

describe("encode", () => {
  it("writes two values alike exactly when they are the same value", () => {
    const values: unknown[] = [
      0,
      -0,
      1,
      1.5,
      Number.NaN,
      Number.POSITIVE_INFINITY,
      "1",
      "",
      "T",
      true,
      false,
      null,
      undefined,
      1n,
      [],
      [[]],
      [1, 2],
      ["1,2"],
      [12],
      [undefined],
      [null],
      {},
      { a: 1 },
      { a: "1" },
      { a: undefined },
      { "a:1": 1 },
      { a: { b: 1 } },
      { a: [1], b: 2 },
      { "": 1 },
      { [identity]: "x" },
      { [identity]: "y" },
      "#x",
      "=>f()",
    ];
    const texts = values.map(text);
    expect(new Set(texts).size).toBe(values.length);
    expect(
      values.map((v) =>
        text(typeof v === "object" && v !== null && !(identity in v) ? structuredClone(v) : v),
      ),
    ).toEqual(texts);
  });

  it("does not care for the order of fields", () => {
    expect(text({ a: 1, b: { c: 2, d: 3 } })).toBe(text({ b: { d: 3, c: 2 }, a: 1 }));
  });

  it("knows a function by its site and what it captures", () => {
    const at = (site: string, ...captured: unknown[]): (() => void) => {
      const f = (): void => {};
      tagFunction(f, { site, captures: () => captured });
      return f;
    };
    expect(text(at("a.ts#1", 1))).toBe(text(at("a.ts#1", 1)));
    expect(new Set([at("a.ts#1", 1), at("a.ts#1", 2), at("a.ts#2", 1)].map(text)).size).toBe(3);
  });

  it.each([
    { what: "a Map", value: new Map(), code: "PL204", says: "a Map in a test" },
    {
      what: "an instance of a class",
      value: new (class Thing {})(),
      code: "PL204",
      says: "a Thing in a test",
    },
    { what: "a symbol", value: Symbol("s"), code: "PL204", says: "a symbol in a test" },
    {
      what: "a function of code that was not instrumented",
      value: Math.max,
      code: "PL203",
      says: "function max in a test",
    },
  ])("refuses $what, whose state cannot be seen", ({ value, code, says }) => {
    expect(() => text(value)).toThrow(`${code}: ${says}`);
  });

  it("refuses a function that captures what may change", () => {
    const f = (): void => {};
    tagFunction(f, { site: "a.ts#1", captures: () => [], unstable: "count" });
    expect(() => text(f)).toThrow('PL205: the function at a.ts#1 captures "count"');
  });
});

describe("Interner", () => {
  it("gives equal values one id and one object, and numbers them in the order of first sight", () => {
    const interner = new Interner();
    const values: Value[] = [7, "7", [7], { a: 7 }, [7], 7, { a: 7 }, -0, 0, 0.5];
    expect(values.map((v) => interner.id(v))).toEqual([0, 1, 2, 3, 2, 0, 3, 4, 5, 6]);
    expect(interner.size).toBe(7);
    expect(interner.canonical([7])).toBe(interner.value(2));
    expect(Object.is(interner.value(4), -0)).toBe(true);
    expect(Object.is(interner.value(5), 0)).toBe(true);
  });

  it("freezes what it keeps, but no modelled object", () => {
    const interner = new Interner();
    const modelled = { [identity]: "x", field: { grows: 1 } };
    const value = interner.value(interner.id({ list: [1], modelled })) as {
      list: number[];
      modelled: typeof modelled;
    };
    expect(Object.isFrozen(value) && Object.isFrozen(value.list)).toBe(true);
    expect(Object.isFrozen(modelled) || Object.isFrozen(modelled.field)).toBe(false);
  });

  it("says when it is asked for a value that it never gave an id", () => {
    expect(() => new Interner().value(0)).toThrow("pagelife bug: no value has id 0");
  });
});
