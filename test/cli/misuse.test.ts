// Scenario files that are not well formed, or not written as they must be.
import { describe, expect, it } from "vitest";
import { checkTwins } from "../../src/cli/check-twins.ts";
import { buildKernel, selectChanges, selectKernels, selectScenarios } from "../../src/cli/select.ts";
import { changed, example, ownFiles, punch } from "./own-file.ts";
import { pagelife } from "./run.ts";

const { check, write } = ownFiles();

it("the example as it stands holds", async () => {
  expect(await check(example)).toBe("holds");
});

it("a kernel that there is not is no kernel that a scenario is for", async () => {
  const { text } = changed("threads: {", 'onto: ["7.2"],\n  threads: {');
  expect(await check(text)).toContain(
    'PL101: scenario two-unpinners-vs-punch-hole is for 7.2: no kernel is called "7.2". Did you mean v7.2?',
  );
});

describe("a yield* that was forgotten", () => {
  it.each([
    { name: "in a thread", from: punch, to: punch.slice("yield* ".length), says: "ext4_punch_hole()" },
    { name: "in setup", from: "yield* mapFile(", to: "mapFile(", says: "mapFile()" },
    {
      name: "before a call whose result is used",
      from: punch,
      to: "const done = k.ext4_punch_hole(inode, 0, 1); if (done === null) yield* k.munmap(done);",
      says: "ext4_punch_hole()",
    },
    {
      name: "in a return",
      from: punch,
      to: `return ${punch.slice("yield* ".length)}`,
      says: "ext4_punch_hole()",
    },
    {
      name: "before a call of a function of one's own",
      from: "const first = yield* pin(k);",
      to: "const first = [] as never[]; pin(k);",
      says: "pin()",
    },
    {
      name: "so that something else goes wrong",
      from: punch,
      to: "const pages = k.pin_user_pages_fast(0, 1, 0) as never; yield* k.unpin_user_page((pages as never[])[0] as never);",
      says: "pin_user_pages_fast()",
    },
  ])("$name", async ({ from, to, says }) => {
    const { text, line } = changed(from, to);
    expect(await check(text)).toBe(
      `PL209: FILE:${line}: ${says} is called without yield*, so it never runs [two-unpinners-vs-punch-hole on v6.12]`,
    );
  });

  it.each([
    {
      name: "a call that is delegated to later",
      to: "const it = k.ext4_punch_hole(inode, 0, 1); yield* it;",
    },
    {
      name: "a function that hands a generator to its caller",
      to: "const it = () => k.ext4_punch_hole(inode, 0, 1); yield* it();",
    },
    {
      name: "a generator that a loop runs",
      to: `for (const n of [...[1].values(), ...numbers()]) if (n === 2) ${punch}`,
      more: "function* numbers() { yield 2 as never; }",
    },
  ])("does not take for one: $name", async ({ to, more = "" }) => {
    expect(await check(changed(punch, to).text + more)).toBe("holds");
  });
});

describe("a scenario that is not well formed", () => {
  it.each([
    {
      name: "a key that is not known",
      from: "invariants:",
      to: "invariant:",
      says: "Did you mean invariants?",
    },
    {
      name: "a name of two words",
      from: '"two-unpinners-vs-punch-hole"',
      to: '"two unpinners"',
      says: "scenario two unpinners: its name is no word that a command can take",
    },
    { name: "no question", from: "  question:", to: "  claim:", says: "has no question" },
    {
      name: "a rule by its name",
      from: "noPinOnFreeBlock, noWarning]",
      to: '"noWarning" as never]',
      says: '"noWarning" among its invariants is not a rule',
    },
    {
      name: "mm by its name",
      from: "cpu: 1,",
      to: 'cpu: 1, mm: "mm" as never,',
      says: "thread first of scenario two-unpinners-vs-punch-hole: mm is not a function",
    },
    {
      name: "an mm that setup does not return",
      from: "cpu: 1,",
      to: "cpu: 1, mm: (w) => (w as never as { mm: never }).mm,",
      says: "mm of thread first gives no process",
    },
    {
      name: "a thread without title",
      from: 'title: "punch hole",',
      to: "",
      says: "thread punch of scenario two-unpinners-vs-punch-hole has no title",
    },
    {
      name: "a setup that is no generator function",
      from: "*setup(k) {",
      to: "setup(k) { return {} as never; }, *old(k) {",
      says: 'has no part "old"',
    },
  ])("$name", async ({ from, to, says }) => {
    const said = await check(changed(from, to).text);
    expect(said).toMatch(/^PL208: /);
    expect(said).toContain(says);
  });
});

describe("an expectation or a twin that is not well formed", () => {
  const twin = '{ change: "twin/free-does-not-wake", kernel: "v7.2", expect: "missed-wakeup", because: "b" }';
  it.each([
    {
      name: "a kernel that there is not",
      text: 'expected: { "v7.3": { verdict: "holds", because: "b" } }',
      says: 'scenario two-unpinners-vs-punch-hole expects something: no kernel is called "v7.3". Did you mean v7.2?',
    },
    {
      name: "a verdict that there is not",
      text: 'expected: { "v7.2": { verdict: "hold", because: "b" } }',
      says: 'what is expected of v7.2 is "hold"; expected one of holds, not-applicable, invariant,',
    },
    {
      name: "a misspelt part",
      text: `twins: [${twin.replace("expect:", "expects:")}]`,
      says: 'its twin twin/free-does-not-wake has no part "expects". Did you mean expect?',
    },
    {
      name: "a twin on a kernel that there is not",
      text: `twins: [${twin.replace("v7.2", "7.2")}]`,
      says: 'no kernel is called "7.2"',
    },
    {
      name: "a twin without a change",
      text: `twins: [{ kernel: "v7.2" }]`,
      says: "a twin is { change, kernel,",
    },
  ])("$name", async ({ text, says }) => {
    const said = await check(changed("invariants: [", `${text}, invariants: [`).text);
    expect(said).toContain(says);
  });
});

describe("files with another number of scenarios than one", () => {
  const renamed = `${example.replace("export default", "export const other =")}`.replace(
    '"two-unpinners-vs-punch-hole"',
    '"other"',
  );

  it("are left out if they have none and others have some", () => {
    const mine = write("some.ts", example);
    const helper = write("helper.ts", "export const helper = 1;\n");
    const { stdout, stderr, status } = pagelife(["check", mine, helper, "--kernel", "v6.12"]);
    expect(status).toBe(0);
    expect(stdout).toContain("two-unpinners-vs-punch-hole, v6.12: holds");
    expect(stderr).toContain("left out: PL104");
    expect(pagelife(["check", helper]).status).toBe(2);
  });

  it("need a name to show one of", () => {
    write("one.ts", example);
    write("other.ts", renamed);
    const several = write(
      "several.ts",
      'export { default as one } from "./one.ts";\nexport { other } from "./other.ts";\n',
    );
    const asked = pagelife(["show", several, "--kernel", "v6.12"]);
    expect(asked.stderr).toContain(
      "exports several scenarios (two-unpinners-vs-punch-hole, other); say which:",
    );
    const { stdout, status } = pagelife(["show", "other", "--load", several, "--kernel", "v6.12"]);
    expect(status).toBe(0);
    expect(stdout).toContain("One execution, v6.12");
    expect(stdout).toContain(":other:v6.12:");
  });
});

it("a scenario of which no execution ends does not hold: somebody goes round for ever", async () => {
  const { text } = changed(punch, "for (;;) yield* READ_ONCE(inode.i_size);");
  expect(await check(text.replace("import {", "import { READ_ONCE,"))).toBe("livelock");
});

it("a change that the kernel has already is told of", () => {
  const { stderr, status } = pagelife([
    "check",
    "unpin-vs-punch-hole",
    "--kernel",
    "v7.2",
    "--with",
    "fuse-whole-file",
  ]);
  expect(status).toBe(2);
  expect(stderr).toContain("PL303: v7.2 has fuse-whole-file already");
});

describe("twins of one's own", () => {
  const broken = (kernel: string, expect: string): string => `
    expected: { "v5.18+fsdax-wakeup/gup-put": { verdict: "holds", because: "b" } },
    twins: [{ change: "my/no-wakeup", kernel: "${kernel}", expect: "${expect}", because: "b" }],`;
  const noWakeup = `
    import { change } from "pagelife/kernel";
    export const noWakeup = change({
      name: "my/no-wakeup", subject: "s", source: "t", functions: { *wake_up_var() {} },
    });`;
  const twinsOf = async (kernel: string, expect: string) => {
    const { text } = changed("invariants: [", `${broken(kernel, expect)} invariants: [`);
    const file = write(`twin-${expect}.ts`, `${text}${noWakeup}`);
    return checkTwins(await selectScenarios([file]), selectKernels(undefined), { maxStates: 100_000 });
  };

  it("are exported by the scenario's file, and may stand on a kernel with changes", async () => {
    const [checked] = await twinsOf("v5.18+fsdax-wakeup/gup-put", "missed-wakeup");
    expect(checked?.verdict).toMatchObject({
      kind: "missed-wakeup",
      with: ["fsdax-wakeup/gup-put", "my/no-wakeup"],
    });
    expect(checked?.asExpected).toBe(true);
  });

  it("are told of if they survive where they should be caught, and the other way round", async () => {
    const [survivor] = await twinsOf("v7.2", "survives");
    expect(survivor).toMatchObject({ asExpected: false, verdict: { kind: "missed-wakeup" } });
    const [other] = await twinsOf("v7.2", "livelock");
    expect(other?.asExpected).toBe(false);
  });
});

it("a hole may be punched beyond the end of the file", async () => {
  for (const range of ["0, 9", "5, 9"]) {
    expect(
      await check(example.replace("ext4_punch_hole(inode, 0, 1)", `ext4_punch_hole(inode, ${range})`)),
    ).toBe("holds");
  }
});

it("a pin that fails in the example is an error", async () => {
  const { text } = changed("    k.current.mm = mm;\n", "");
  expect(await check(text)).toContain("PL210: setup of two-unpinners-vs-punch-hole: ");
});

it("a thread that counts in a variable of the file is told of", async () => {
  const { text } = changed(punch, `if (count++ % 2 === 0) ${punch}`);
  expect(await check(`let count = 0;\n${text}`)).toContain("PL206: thread punch does something else");
});

describe("a change that is not well formed", () => {
  const start = 'import { change } from "pagelife/kernel";\nexport default change(';
  it.each([
    { name: "no name", text: '{ subject: "s", source: "t", functions: {} }', says: "a change has no name" },
    {
      name: "no functions",
      text: '{ name: "my/x", subject: "s", source: "t" }',
      says: "change my/x has no functions",
    },
    {
      name: "a name that is taken",
      text: '{ name: "gup-put-folio", subject: "s", source: "t", functions: {} }',
      says: 'there is a change "gup-put-folio" already',
    },
    {
      name: "after a change that is not there",
      text: '{ name: "my/x", subject: "s", source: "t", after: ["my/none"], functions: {} }',
      says: 'my/x goes after "my/none": no change is called',
    },
    {
      name: "a plain function",
      text: '{ name: "my/x", subject: "s", source: "t", functions: { folio_put() {} } }',
      says: "my/x has folio_put() as a plain function; write *folio_put(...)",
    },
  ])("$name", async ({ name, text, says }) => {
    const file = write(`${name.replaceAll(/\W+/g, "-")}.ts`, `${start}${text});`);
    const built = async () => {
      const [kernel] = selectKernels("v6.12");
      if (kernel !== undefined) buildKernel(kernel, await selectChanges([file]));
    };
    await expect(built).rejects.toThrow(says);
  });
});
