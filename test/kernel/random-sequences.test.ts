// Random programs, one operation after another, against a ledger that knows nothing of the kernel: the rule
// of section 2 of the lifecycle reference, applied to who maps, gets and pins. Once with tables of 4 entries,
// and once as real machines have them.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { kernels } from "../../src/changes/kernels.ts";
import { insertWithoutMapcount } from "../../src/changes/mm-twins.ts";
import type { Code } from "../../src/explore/access.ts";
import type { Inode } from "../../src/kernel/include/linux/fs.ts";
import { GUP_PIN_COUNTING_BIAS } from "../../src/kernel/include/linux/mm.ts";
import {
  type MmStruct,
  type Page,
  VM_NOHUGEPAGE,
  VM_SHARED,
  VM_WRITE,
  type VmArea,
} from "../../src/kernel/include/linux/mm_types.ts";
import { type Kernel, type KernelVersion, withChanges } from "../../src/kernel/kernel.ts";
import { FOLL_WRITE } from "../../src/kernel/mm/gup-flags.ts";
import { boot, isBlocked, type Machine } from "../../src/kernel/sequential.ts";
import { createFile, createProcess, mapFile, mountDax } from "../../src/kernel/setup.ts";

/** Two processes that map the file with huge entries where they can, and one that does not. */
type Who = 0 | 1 | 2;

type Operation =
  | { readonly op: "touch"; readonly who: Who; readonly page: number }
  | { readonly op: "get" | "pin"; readonly who: Who; readonly page: number; readonly pages: number }
  | { readonly op: "put" | "unpin" | "split" }
  | { readonly op: "munmap" | "mmap"; readonly who: Who }
  | { readonly op: "punch" };

const normalised = (version: KernelVersion): boolean => ["v6.15", "v7.2"].includes(version.release);

class Ledger {
  readonly maps = [0, 1, 2].map(() => ({ mapped: true, pmd: false, table: false, ptes: new Set<number>() }));
  readonly gets: number[];
  readonly pins: number[];
  readonly size: number;
  /** What the page cache has: one entry for all pages, or one for each. */
  pmdEntry = false;
  readonly entries = new Set<number>();
  /** Do the blocks lie in one piece, so that a PMD entry can map them? */
  inOnePiece = true;

  constructor(size: number) {
    this.size = size;
    this.gets = Array<number>(size).fill(0);
    this.pins = Array<number>(size).fill(0);
  }

  get idle(): boolean {
    return this.gets.every((n) => n === 0) && this.pins.every((n) => n === 0);
  }

  touch(who: Who, page: number): void {
    const map = this.maps[who];
    if (map === undefined || map.pmd || map.ptes.has(page)) return;
    const huge = who !== 2 && !map.table && this.entries.size === 0 && this.inOnePiece;
    if (huge) {
      map.pmd = true;
      this.pmdEntry = true;
      return;
    }
    map.table = true;
    map.ptes.add(page);
    if (!this.pmdEntry) this.entries.add(page);
  }

  /** `refcount/mapcount/pincount` of a page. */
  counts(page: number, counted: boolean): string {
    const sum = (ns: readonly number[]): number => ns.reduce((a, b) => a + b, 0);
    const at = (ns: readonly number[]): number => ns[page] ?? 0;
    if (!counted) return `${1 + at(this.gets) + GUP_PIN_COUNTING_BIAS * at(this.pins)}/0/0`;
    if (this.pmdEntry) {
      const mapped = sum(this.maps.map((m) => (m.pmd ? 1 : m.ptes.size)));
      const pins = sum(this.pins);
      return `${mapped + sum(this.gets) + pins}/${mapped}/${pins}`;
    }
    const mapped = this.maps.filter((m) => m.ptes.has(page)).length;
    return `${mapped + at(this.gets) + GUP_PIN_COUNTING_BIAS * at(this.pins)}/${mapped}/0`;
  }
}

interface Held {
  readonly kind: "get" | "pin";
  readonly pages: readonly Page[];
  readonly first: number;
}

class Run {
  readonly machine: Machine;
  readonly ledger: Ledger;
  readonly version: KernelVersion;
  readonly size: number;
  readonly mms: MmStruct[] = [];
  readonly vmas: VmArea[] = [];
  readonly held: Held[] = [];
  inode: Inode | null = null;

  constructor(version: KernelVersion, size: number) {
    this.version = version;
    this.size = size;
    this.machine = boot(version, { geometry: { PTRS_PER_PTE: size, PTRS_PER_PMD: 2 } });
    this.ledger = new Ledger(size);
    const { mms, vmas } = this;
    this.inode = this.do(function* (k) {
      const sb = mountDax(k, 2 * size, "ext4", 2 * size);
      const inode = yield* createFile(k, sb, "file", size);
      for (const who of [0, 1, 2]) {
        const mm = createProcess(k, `p${who}`, size);
        const flags = VM_SHARED | VM_WRITE | (who === 2 ? VM_NOHUGEPAGE : 0);
        const vma = yield* mapFile(k, mm, inode, 0, size, flags);
        mms.push(mm);
        vmas.push(vma);
      }
      return inode;
    });
  }

  do<T>(operation: (k: Kernel) => Code<T>, mm: MmStruct | null = null): T {
    const done = this.machine.run(operation, mm);
    if (isBlocked(done)) throw new Error(`waits for ${done.blocked}`);
    return done;
  }

  step(o: Operation): void {
    const { ledger, held, size } = this;
    const mm = "who" in o ? (this.mms[o.who] ?? null) : null;
    const vma = "who" in o ? this.vmas[o.who] : this.vmas[0];
    const map = "who" in o ? ledger.maps[o.who] : ledger.maps[0];
    const inode = this.inode;
    if (vma === undefined || map === undefined || inode === null) return;
    switch (o.op) {
      case "touch": {
        if (!map.mapped) return;
        this.do((k) => k.touch(vma.vm_mm, o.page, true), mm);
        ledger.touch(o.who, o.page);
        return;
      }
      case "get":
      case "pin": {
        if (!map.mapped) return;
        const n = Math.min(o.pages, size - o.page);
        const { op } = o;
        const pages = this.do(
          (k) =>
            op === "get"
              ? k.get_user_pages_fast(o.page, n, FOLL_WRITE)
              : k.pin_user_pages_fast(o.page, n, FOLL_WRITE),
          mm,
        );
        if (typeof pages === "number") throw new Error(`${op} gives ${pages}`);
        held.push({ kind: op, pages, first: o.page });
        for (let i = o.page; i < o.page + n; i++) {
          ledger.touch(o.who, i);
          const counts = op === "get" ? ledger.gets : ledger.pins;
          counts[i] = (counts[i] ?? 0) + 1;
        }
        return;
      }
      case "put":
      case "unpin": {
        const at = held.findIndex((h) => h.kind === (o.op === "put" ? "get" : "pin"));
        const [given] = at < 0 ? [] : held.splice(at, 1);
        if (given === undefined) return;
        this.do(function* (k) {
          if (given.kind === "pin") yield* k.unpin_user_pages(given.pages);
          else for (const page of given.pages) yield* k.put_user_page(page);
        });
        const counts = given.kind === "get" ? ledger.gets : ledger.pins;
        given.pages.forEach((_, i) => {
          counts[given.first + i] = (counts[given.first + i] ?? 0) - 1;
        });
        return;
      }
      case "split": {
        this.do((k) => k.__split_huge_pmd(vma, 0), vma.vm_mm);
        map.pmd = false;
        return;
      }
      case "munmap": {
        if (!map.mapped) return;
        this.do((k) => k.munmap(vma), mm);
        Object.assign(map, { mapped: false, pmd: false, table: false });
        map.ptes.clear();
        return;
      }
      case "mmap": {
        if (map.mapped) return;
        this.do((k) => k.mmap(vma), mm);
        map.mapped = true;
        return;
      }
      case "punch": {
        // A hole of the whole file; it would wait for references.
        if (!ledger.idle) return;
        this.do((k) => k.ext4_punch_hole(inode, 0, size));
        for (const m of ledger.maps) {
          m.pmd = false;
          m.ptes.clear();
        }
        ledger.pmdEntry = false;
        ledger.entries.clear();
        return;
      }
    }
  }

  check(): void {
    const { inode, ledger, machine } = this;
    if (inode === null) return;
    const blocks = inode.i_data.map((extent) => machine.see(extent));
    const [first = null] = blocks;
    ledger.inOnePiece =
      blocks.every((b) => b === null) ||
      (first !== null && first % this.size === 0 && blocks.every((b, i) => b === first + i));
    blocks.forEach((block, page) => {
      if (block === null) return;
      const { refcount, mapcount, pincount } = machine.counts(block);
      const expected = ledger.counts(page, normalised(this.version));
      expect(`page ${page}: ${refcount}/${mapcount}/${pincount}`).toBe(`page ${page}: ${expected}`);
    });
    expect(machine.warning()).toBe(null);
  }
}

const operations = (size: number): fc.Arbitrary<Operation> => {
  const who = fc.constantFrom<Who[]>(0, 1, 2);
  const page = fc.constantFrom(0, 1, size - 1);
  return fc.oneof(
    { weight: 4, arbitrary: fc.record({ op: fc.constant("touch" as const), who, page }) },
    {
      weight: 3,
      arbitrary: fc.record({
        op: fc.constantFrom("get" as const, "pin" as const),
        who,
        page,
        pages: fc.constantFrom(1, 2),
      }),
    },
    { weight: 3, arbitrary: fc.record({ op: fc.constantFrom("put" as const, "unpin" as const) }) },
    { weight: 1, arbitrary: fc.record({ op: fc.constant("split" as const) }) },
    { weight: 2, arbitrary: fc.record({ op: fc.constantFrom("munmap" as const, "mmap" as const), who }) },
    { weight: 1, arbitrary: fc.record({ op: fc.constant("punch" as const) }) },
  );
};

describe.each(kernels)("$release: random sequences", (version) => {
  it.each([
    { entries: 4, runs: 60 },
    { entries: 512, runs: 1 },
  ])("count as the ledger says, with tables of $entries entries", ({ entries, runs }) => {
    fc.assert(
      fc.property(fc.array(operations(entries), { minLength: 4, maxLength: 16 }), (program) => {
        const run = new Run(version, entries);
        for (const operation of program) {
          run.step(operation);
          run.check();
        }
      }),
      { numRuns: runs, seed: 20261121 },
    );
  });
});

it("is not blind: a kernel that forgets mapcounts differs from the ledger", () => {
  const version = kernels.at(-1);
  if (version === undefined) throw new Error("there is no kernel");
  const broken = withChanges(version, [insertWithoutMapcount]);
  const run = new Run(broken, 4);
  run.step({ op: "touch", who: 2, page: 1 });
  expect(() => run.check()).toThrow("page 1: 1/0/0");
});
