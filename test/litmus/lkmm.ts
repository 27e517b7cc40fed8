// The litmus tests of the Linux kernel's memory model (tools/memory-model/litmus-tests), by their meaning
// and in a notation of our own. Under SC and x86-TSO, smp_wmb, smp_rmb, acquire and release need nothing,
// so they are left out; smp_mb and smp_mb__after_spinlock are `mb`.
//
//   W x 1      store           W x $r   store a register    if r W x 1   store if the register is not 0
//   R r x      load            R r *s   load what the register s points to
//   lock l     unlock l        (spin_is_locked is a load of the lock)
import {
  acquire,
  type Cell,
  type Code,
  cell,
  fence,
  ghostCell,
  read,
  write,
} from "../../src/explore/access.ts";
import type { Program } from "../../src/explore/program.ts";
import type { Value } from "../../src/explore/value.ts";

interface Memory {
  readonly cells: Readonly<Record<string, Cell>>;
  readonly registers: Readonly<Record<string, Cell>>;
}

export interface LitmusTest {
  readonly name: string;
  /** What the kernel's model says of the outcome. */
  readonly lkmm: "Never" | "Sometimes";
  readonly tso: "Never" | "Sometimes";
  /** States, transitions and final outcomes, counted by an enumerator of its own. */
  readonly counts: { readonly sc: readonly number[]; readonly tso: readonly number[] };
  readonly threads: readonly string[];
  readonly initially?: Readonly<Record<string, Value>>;
  /** The outcome asked for: registers as `1:r0`, cells by name. */
  readonly exists: Readonly<Record<string, Value>>;
}

function* run(memory: Memory, thread: number, steps: readonly string[]): Code {
  const known: Record<string, Value> = {};
  for (let i = 0; i < steps.length; i++) {
    const words = (steps[i] as string).split(" ");
    if (words[0] === "if") {
      if (known[words[1] as string] === 0) {
        // Nothing is stored, but the enumerator took that for a step as well.
        yield* fence("relaxed");
        continue;
      }
      words.splice(0, 2);
    }
    const [what, a = "", b = ""] = words;
    const at = memory.cells[a] as Cell;
    switch (what) {
      case "W": {
        const value: Value = b.startsWith("$") ? (known[b.slice(1)] ?? b.slice(1)) : Number(b);
        yield* write(at, value);
        break;
      }
      case "R": {
        const name = b.startsWith("*") ? (known[b.slice(1)] as string) : b;
        const register = memory.registers[`${thread}:${a}`] as Cell;
        const seen = yield* read(memory.cells[name] as Cell, {
          ghosts: [{ cell: register, update: (_, value) => value }],
        });
        known[a] = seen;
        break;
      }
      case "mb":
        yield* fence();
        break;
      case "lock":
        yield* acquire([at], (held: Value) => (held === 0 ? { next: [1], result: null } : null));
        break;
      case "unlock":
        yield* write(at, 0, { order: "release" });
        break;
    }
  }
}

export function litmusProgram({ name, threads, initially, exists }: LitmusTest): Program<Memory> {
  const steps = threads.map((t) => t.split(";").map((s) => s.trim()));
  const words = steps.map((t) => t.map((s) => s.replace(/^if \S+ /, "").split(" ")));
  const registers = words.flatMap((t, i) => t.filter((w) => w[0] === "R").map((w) => `${i}:${w[1]}`));
  const cells = words
    .flat()
    .flatMap((w) => (w[0] === "R" ? [w[2] as string] : w.length > 1 ? [w[1] as string] : []));
  const names = new Set([...cells.filter((c) => !c.startsWith("*")), ...Object.keys(initially ?? {})]);
  for (const v of Object.values(initially ?? {})) if (typeof v === "string") names.add(v);
  return {
    name,
    setup: () => ({
      cells: Object.fromEntries([...names].map((n) => [n, cell<Value>(n, initially?.[n] ?? 0)])),
      registers: Object.fromEntries(registers.map((n) => [n, ghostCell<Value>(n, 0)])),
    }),
    threads: Object.fromEntries(steps.map((s, t) => [`P${t}`, (memory: Memory) => run(memory, t, s)])),
    invariants: [
      {
        name: "outcome",
        at: "end",
        check: ({ cells: c, registers: r }, see) =>
          Object.entries(exists).every(([n, v]) => see((r[n] ?? c[n]) as Cell) === v)
            ? JSON.stringify(exists)
            : null,
      },
    ],
  };
}

const test = (
  name: string,
  [lkmm, tso]: readonly [LitmusTest["lkmm"], LitmusTest["tso"]],
  [scCounts, tsoCounts]: readonly [string, string],
  threads: readonly string[],
  exists: LitmusTest["exists"],
  initially?: LitmusTest["initially"],
): LitmusTest => {
  const numbers = (text: string): number[] => text.split("/").map(Number);
  const counts = { sc: numbers(scCounts), tso: numbers(tsoCounts) };
  return { name, lkmm, tso, counts, threads, exists, ...(initially === undefined ? {} : { initially }) };
};

const NEVER = ["Never", "Never"] as const;
/** Weaker machines than x86 show it. */
const WEAKER = ["Sometimes", "Never"] as const;
const SOMETIMES = ["Sometimes", "Sometimes"] as const;

const mp = ["W buf 1; W flag 1", "R r0 flag; R r1 buf"];
const mpSeen = { "1:r0": 1, "1:r1": 0 };
const iriwSeen = { "1:r0": 1, "1:r1": 0, "3:r0": 1, "3:r1": 0 };
const isa2 = ["W x 1; W y 1", "R r0 y; W z 1", "R r0 z; R r1 x"];
const isa2Seen = { "1:r0": 1, "2:r0": 1, "2:r1": 0 };
const lb = ["R r0 x; W y 1", "R r0 y; W x 1"];
const lbSeen = { "0:r0": 1, "1:r0": 1 };
const wrc = ["W x 1", "R r0 x; W y 1", "R r0 y; R r1 x"];
const wrcSeen = { "1:r0": 1, "2:r0": 1, "2:r1": 0 };
const z60Seen = { "1:r0": 1, z: 2, "2:r1": 0 };
const locked = "lock l; W x 1; W y 1; unlock l";

export const litmusTests: readonly LitmusTest[] = [
  test("CoRR+poonceonce+Once", NEVER, ["9/8/3", "12/13/3"], ["W x 1", "R r0 x; R r1 x"], {
    "1:r0": 1,
    "1:r1": 0,
  }),
  test("CoRW+poonceonce+Once", NEVER, ["9/8/3", "16/19/3"], ["R r0 x; W x 1", "W x 2"], { x: 2, "0:r0": 2 }),
  test("CoWR+poonceonce+Once", NEVER, ["9/8/3", "18/26/3"], ["W x 1; R r0 x", "W x 2"], { x: 1, "0:r0": 2 }),
  test("CoWW+poonceonce", NEVER, ["3/2/1", "6/6/1"], ["W x 1; W x 2"], { x: 1 }),
  test(
    "IRIW+fencembonceonces+OnceOnce",
    NEVER,
    ["166/308/15", "284/638/15"],
    ["W x 1", "R r0 x; mb; R r1 y", "W y 1", "R r0 y; mb; R r1 x"],
    iriwSeen,
  ),
  test(
    "IRIW+poonceonces+OnceOnce",
    WEAKER,
    ["97/156/15", "164/330/15"],
    ["W x 1", "R r0 x; R r1 y", "W y 1", "R r0 y; R r1 x"],
    iriwSeen,
  ),
  test(
    "ISA2+pooncelock+pooncelock+pombonce",
    NEVER,
    ["105/159/7", "213/382/7"],
    [locked, "lock l; R r0 y; W z 1; unlock l", "R r2 z; mb; R r1 x"],
    { "1:r0": 1, "2:r2": 1, "2:r1": 0 },
  ),
  test("ISA2+poonceonces", WEAKER, ["51/78/7", "113/226/7"], isa2, isa2Seen),
  test("ISA2+pooncerelease+poacquirerelease+poacquireonce", NEVER, ["51/78/7", "113/226/7"], isa2, isa2Seen),
  test(
    "LB+fencembonceonce+ctrlonceonce",
    NEVER,
    ["14/18/2", "18/24/2"],
    ["R r0 x; if r0 W y 1", "R r0 y; mb; W x 1"],
    lbSeen,
  ),
  test("LB+poacquireonce+pooncerelease", NEVER, ["13/14/3", "22/28/3"], lb, lbSeen),
  test("LB+poonceonces", WEAKER, ["13/14/3", "22/28/3"], lb, lbSeen),
  test(
    "LB+unlocklockonceonce+poacquireonce",
    NEVER,
    ["30/40/3", "62/98/3"],
    ["lock s; R r1 x; unlock s; lock t; W y 1; unlock t", "R r2 y; W x 1"],
    { "0:r1": 1, "1:r2": 1 },
  ),
  test("MP+fencewmbonceonce+fencermbonceonce", NEVER, ["13/14/3", "23/33/3"], mp, mpSeen),
  test(
    "MP+onceassign+derefonce",
    NEVER,
    ["11/13/2", "20/31/2"],
    ["W x 1; W p $x", "R r0 p; R r1 *r0"],
    { "1:r0": "x", "1:r1": 0 },
    { p: "y" },
  ),
  test(
    "MP+polockmbonce+poacquiresilsil",
    NEVER,
    ["42/52/7", "66/97/7"],
    ["lock lo; mb; W x 1; unlock lo", "R r1 x; R r2 lo; R r3 lo"],
    { "1:r1": 1, "1:r2": 0, "1:r3": 1 },
  ),
  test(
    "MP+polockonce+poacquiresilsil",
    WEAKER,
    ["35/41/7", "59/86/7"],
    ["lock lo; W x 1; unlock lo", "R r1 x; R r2 lo; R r3 lo"],
    { "1:r1": 1, "1:r2": 0, "1:r3": 1 },
  ),
  test(
    "MP+polocks",
    NEVER,
    ["27/32/3", "53/77/3"],
    ["W buf 1; lock l; W flag 1; unlock l", "lock l; R r0 flag; unlock l; R r1 buf"],
    mpSeen,
  ),
  test("MP+poonceonces", WEAKER, ["13/14/3", "23/33/3"], mp, mpSeen),
  test("MP+pooncerelease+poacquireonce", NEVER, ["13/14/3", "23/33/3"], mp, mpSeen),
  test(
    "MP+porevlocks",
    NEVER,
    ["27/32/3", "53/78/3"],
    ["R r0 flag; lock l; R r1 buf; unlock l", "lock l; W buf 1; unlock l; W flag 1"],
    { "0:r0": 1, "0:r1": 0 },
  ),
  test(
    "MP+unlocklockonceonce+fencermbonceonce",
    NEVER,
    ["30/40/3", "54/84/3"],
    ["lock s; W x 1; unlock s; lock t; W y 1; unlock t", "R r1 y; R r2 x"],
    { "1:r1": 1, "1:r2": 0 },
  ),
  test("R+fencembonceonces", NEVER, ["22/28/3", "37/54/3"], ["W x 1; mb; W y 1", "W y 2; mb; R r0 x"], {
    y: 2,
    "1:r0": 0,
  }),
  test("R+poonceonces", SOMETIMES, ["13/14/3", "39/68/4"], ["W x 1; W y 1", "W y 2; R r0 x"], {
    y: 2,
    "1:r0": 0,
  }),
  test("S+fencewmbonceonce+poacquireonce", NEVER, ["13/14/3", "30/46/3"], ["W x 2; W y 1", "R r0 y; W x 1"], {
    x: 2,
    "1:r0": 1,
  }),
  test("S+poonceonces", WEAKER, ["13/14/3", "30/46/3"], ["W x 2; W y 1", "R r0 y; W x 1"], {
    x: 2,
    "1:r0": 1,
  }),
  test("SB+fencembonceonces", NEVER, ["22/28/3", "31/44/3"], ["W x 1; mb; R r0 y", "W y 1; mb; R r0 x"], {
    "0:r0": 0,
    "1:r0": 0,
  }),
  test("SB+poonceonces", SOMETIMES, ["13/14/3", "34/58/4"], ["W x 1; R r0 y", "W y 1; R r0 x"], {
    "0:r0": 0,
    "1:r0": 0,
  }),
  test(
    "SB+rfionceonce-poonceonces",
    SOMETIMES,
    ["22/28/3", "62/126/4"],
    ["W x 1; R r1 x; R r2 y", "W y 1; R r3 y; R r4 x"],
    { "0:r2": 0, "1:r4": 0 },
  ),
  test("WRC+poonceonces+Once", WEAKER, ["36/48/7", "61/100/7"], wrc, wrcSeen),
  test("WRC+pooncerelease+fencermbonceonce+Once", NEVER, ["36/48/7", "61/100/7"], wrc, wrcSeen),
  test(
    "Z6.0+pooncelock+poonceLock+pombonce",
    NEVER,
    ["114/174/7", "259/478/7"],
    [locked, "lock l; mb; R r0 y; W z 1; unlock l", "W z 2; mb; R r1 x"],
    z60Seen,
  ),
  test(
    "Z6.0+pooncelock+pooncelock+pombonce",
    WEAKER,
    ["105/159/7", "248/459/7"],
    [locked, "lock l; R r0 y; W z 1; unlock l", "W z 2; mb; R r1 x"],
    z60Seen,
  ),
  test(
    "Z6.0+pooncerelease+poacquirerelease+fencembonceonce",
    WEAKER,
    ["66/108/7", "174/381/7"],
    ["W x 1; W y 1", "R r0 y; W z 1", "W z 2; mb; R r1 x"],
    z60Seen,
  ),
  test(
    "dep+plain",
    NEVER,
    ["21/32/1", "60/125/1"],
    ["R a x; W z1 $a; R t z1; W z2 $t; R u z2; if u W y 1", "R r y; W x $r"],
    { x: 1, y: 1 },
  ),
];
