import { describe, expect, it } from "vitest";
import { PagelifeError } from "../../base/errors.ts";
import { acquire, cell, fail, modelled, read, rmw, write } from "../access.ts";
import { searchExecutions } from "../plain.ts";
import { type Program, prepare } from "../program.ts";
import { Space } from "../space.ts";
import { finalStates, searchStates } from "../stateful.ts";
import { ThreadRun } from "../thread.ts";
import { instrument } from "./instrument.ts";

const primitives = { acquire, cell, fail, modelled, read, rmw, write };

/** Instruments a file that ends by returning a program, and runs it as jiti does: as a plain script. */
function load(source: string, file = "user.ts"): Program<never> {
  const done = instrument(source, { file });
  const body = done === null ? source : done.code;
  return new Function(...Object.keys(primitives), body)(...Object.values(primitives)) as Program<never>;
}

const refusal = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (error instanceof PagelifeError) return error.message;
    throw error;
  }
  return "accepted";
};

/** Compares the search over states with the plain one: a merged local would show in the final states. */
function finalsAgree(source: string): string[] {
  const prepared = prepare(load(source));
  const finals = finalStates(prepared);
  expect(finals).toEqual(searchExecutions(prepared, {}).finals);
  return finals;
}

describe("what is part of a thread's state", () => {
  it("a local that is used only in an expression around a yield", () => {
    const finals = finalsAgree(`
      const add = (a, b) => a + b;
      return { name: "p", setup: () => ({ a: cell("a", 0), b: cell("b", 0), c: cell("c", 0) }), threads: {
        *one({ a, b, c }) { const x = yield* read(a); yield* write(c, add(x, yield* read(b))); },
        *two({ a }) { yield* write(a, 5); },
      } };`);
    expect(finals).toEqual(["[5,0,0]", "[5,0,5]"]);
  });

  it("a local that a loop around the yield reads before it", () => {
    finalsAgree(`
      return { name: "p", setup: () => ({ a: cell("a", 0), c: cell("c", 0) }), threads: {
        *one({ a, c }) { let last = 0; for (let i = 0; i < 2; i++) { if (last) yield* write(c, last); last = yield* read(a); } },
        *two({ a }) { yield* write(a, 5); yield* write(a, 6); },
      } };`);
  });

  it.each([
    ['1 and "1"', "1", '"1"'],
    ["0 and -0", "0", "-0"],
    ["null and undefined", "null", "undefined"],
    ["false and 0", "false", "0"],
    ["an empty list and an empty object", "[]", "({})"],
    ["a list of a string with a comma and a list of two strings", '["a,b"]', '["a","b"]'],
    ["a field and a field name that holds punctuation", "({ a: 1, b: 2 })", '({ "a:1,b": 2 })'],
    ["a modelled object and another kind of the same index", "world.p", "world.q"],
  ])("the difference between %s", (_, one, other) => {
    const prepared = prepare(
      load(`
      return { name: "p", setup: () => ({ a: cell("a", 0), p: modelled("p", {}), q: modelled("q", {}) }), threads: {
        *one(world) { const first = yield* read(world.a); const x = first === 0 ? ${one} : ${other}; yield* write(world.a, 1); return x; },
        *two(world) { yield* write(world.a, 7); },
      } };`),
    );
    const state = (seen: number): string => {
      const run = new ThreadRun(prepared.threads[0] as never);
      run.resume(seen);
      return run.localState();
    };
    expect(state(0)).toBe(state(0));
    // The value is live: the function returns it after its last yield.
    expect(state(0)).not.toBe(state(7));
  });

  it("the parameter of a catch clause", () => {
    const finals = finalsAgree(`
      return { name: "p", setup: () => ({ a: cell("a", 0), c: cell("c", 0) }), threads: {
        *one({ a, c }) {
          try { const x = yield* read(a); throw x; } catch (e) { yield* write(c, 1); yield* write(c, e); }
        },
        *two({ a }) { yield* write(a, 5); },
      } };`);
    expect(finals).toEqual(["[5,0]", "[5,5]"]);
  });

  it("where a for-of loop stands", () => {
    const finals = finalsAgree(`
      return { name: "p", setup: () => ({ a: cell("a", 0) }), threads: {
        *one({ a }) { for (const n of [1, 1, 1]) yield* rmw([a], (x) => ({ next: [x + n], result: null })); },
        *two({ a }) { yield* write(a, 0); },
      } };`);
    expect(finals).toEqual(["[0]", "[1]", "[2]", "[3]"]);
  });

  it("what a function literal in an operation captures", () => {
    const finals = finalsAgree(`
      return { name: "p", setup: () => ({ a: cell("a", 0), c: cell("c", 0) }), threads: {
        *one({ a, c }) { const x = yield* read(a); yield* rmw([c], (n) => ({ next: [n + x], result: null })); },
        *two({ a }) { yield* write(a, 5); },
      } };`);
    expect(finals).toEqual(["[5,0]", "[5,5]"]);
  });

  it("the frame of the caller, not only of the function that yields", () => {
    const finals = finalsAgree(`
      function* put(c) { yield* write(c, 9); }
      return { name: "p", setup: () => ({ a: cell("a", 0), c: cell("c", 0), d: cell("d", 0) }), threads: {
        *one({ a, c, d }) { const x = yield* read(a); yield* put(c); yield* write(d, x); },
        *two({ a }) { yield* write(a, 5); },
      } };`);
    expect(finals).toEqual(["[5,9,0]", "[5,9,5]"]);
  });
});

describe("what is not part of it", () => {
  it("a local that nobody can read any more: two histories meet again", () => {
    const space = new Space(
      prepare(
        load(`
      return { name: "p", setup: () => ({ a: cell("a", 0) }), threads: {
        *one({ a }) { const x = yield* read(a); const y = x > 3; yield* write(a, y ? 1 : 2); yield* write(a, 3); },
        *two({ a }) { yield* write(a, 1); yield* write(a, 2); },
      } };`),
      ),
    );
    searchStates(space, {});
    // Start; write 2 (whatever was read); write 3; end.
    expect(space.threads[0]?.size).toBe(4);
  });
});

describe("what is refused, with file and line", () => {
  const inThread = (body: string, before = ""): string =>
    `${before}\nreturn { name: "p", setup: () => ({ a: cell("a", 0) }), threads: {\n*one({ a }) {\n${body}\n} } };`;

  it("a generator that uses a variable which is assigned to", () => {
    expect(refusal(() => load(inThread("n++; yield* write(a, n);", "let n = 0;")))).toBe("accepted");
    expect(
      refusal(() => load(`function make() { let n = 0;\nreturn function* () { n++; yield* write(n); }; }`)),
    ).toMatch(/^PL205: user.ts:2: .*"n".*assigned to: state that threads share belongs in cells/);
  });

  it("a function in an operation that captures a variable which may change", () => {
    const source = inThread("let n = 0; n++; yield* rmw([a], (x) => ({ next: [x + n], result: null }));");
    expect(refusal(() => new Space(prepare(load(source))))).toMatch(/PL205.*user.ts.*"n", which may change/);
  });

  it("a yield that would hide a half-evaluated expression", () => {
    const source = inThread("let n = 1; const f = () => 2; const x = f() + (yield* read(a)); n = x;");
    expect(refusal(() => load(source))).toMatch(
      /^PL205: user.ts:4: put the result of this yield into a const/,
    );
  });

  it("code that was not instrumented and yields for a thread", () => {
    const stranger = new Function("write", "return function* (a) { yield* write(a, 1); }")(write) as (
      a: unknown,
    ) => unknown;
    const program = new Function(
      ...Object.keys(primitives),
      "stranger",
      instrument(inThread("yield* stranger(a);"), { file: "user.ts" })?.code ?? "",
    )(...Object.values(primitives), stranger);
    expect(refusal(() => new Space(prepare(program)))).toMatch(/^PL203: user.ts:4: one delegates/);
  });

  it("a thread that was not instrumented", () => {
    const program = {
      name: "p",
      setup: () => cell("a", 0),
      threads: { one: new Function("return (function* () {})()") },
    };
    expect(refusal(() => new Space(prepare(program as never)))).toMatch(/^PL203: thread one is not/);
  });

  it("a yield of something that is no operation", () => {
    expect(refusal(() => new Space(prepare(load(inThread("yield 5;")))))).toMatch(/^PL201: one at user.ts:4/);
  });

  it("an error in a thread, with where it was", () => {
    expect(
      refusal(() => searchStates(new Space(prepare(load(inThread("yield* read(a);\nnull.x;")))), {})),
    ).toMatch(/^PL207: thread one threw TypeError: .*\(at /);
  });
});

describe("locals that cannot be written down", () => {
  it("make states be told apart by history, and the result says so", () => {
    const prepared = prepare(
      load(`
      return { name: "p", setup: () => ({ a: cell("a", 0) }), threads: {
        *one({ a }) { const m = new Map([[1, 2]]); yield* write(a, m.get(1)); yield* write(a, m.size); },
        *two({ a }) { yield* write(a, 7); },
      } };`),
    );
    const result = searchStates(new Space(prepared), {});
    expect(result.notes).toEqual([
      'thread one: states are told apart by history, for a Map in local "m" of one (user.ts:3): only plain data and modelled objects can be part of a state',
    ]);
    expect(finalStates(prepared)).toEqual(searchExecutions(prepared, {}).finals);
  });
});

describe("names", () => {
  it("of methods, functions and constants are kept", () => {
    const prepared = prepare(
      load(`
      const k = { *folio_put(a) { yield* write(a, 1); } };
      return { name: "p", setup: () => ({ a: cell("a", 0) }), threads: { *one({ a }) { yield* k.folio_put(a); } } };`),
    );
    const run = new ThreadRun(prepared.threads[0] as never);
    expect(run.stack.map((f) => `${f.function.name}:${f.function.line}`)).toEqual([
      "one:3",
      "folio_put:2",
      expect.stringMatching(/^write:/),
    ]);
  });

  it("of lines follow the source map of an earlier step", () => {
    // The earlier step put two lines before the source.
    const map = JSON.stringify({ version: 3, sources: ["user.ts"], names: [], mappings: ";;AAAA;AACA" });
    const source = `\n\nfunction make() { let n = 0;\nreturn function* () { n++; yield n; }; }`;
    expect(refusal(() => instrument(source, { file: "user.ts", map }))).toMatch(/^PL205: user.ts:2:/);
  });
});
