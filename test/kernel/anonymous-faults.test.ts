// Memory of no file that a program gave up with MADV_DONTNEED, and what it finds there afterwards: first some cases by
// name, then any mixture of what one can do with such memory, of which no kernel may warn, lose count, or stumble.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { kernels } from "../../src/changes/kernels.ts";
import type { MmStruct, Page, VmArea } from "../../src/kernel/include/linux/mm_types.ts";
import {
  chargesAddUp,
  pooledPageIsUnused,
  referencesAddUp,
  rssCountsMappings,
} from "../../src/kernel/invariants.ts";
import type { Code, Kernel, KernelVersion } from "../../src/kernel/kernel.ts";
import { FOLL_LONGTERM, FOLL_WRITE } from "../../src/kernel/mm/gup-flags.ts";
import { boot, isBlocked, type Machine } from "../../src/kernel/sequential.ts";
import { addRam, createChild, createProcess, FIRST_RAM } from "../../src/kernel/setup.ts";
import { mapCoherent, mapPrivate } from "../../src/kernel/setup-device.ts";

/** A parent with one page of a device at address 0, and a child that it may fork once. */
class Program {
  readonly machine: Machine;
  readonly mms: MmStruct[] = [];
  readonly gets: Page[] = [];
  readonly pins: Page[] = [];
  forked = false;

  constructor(version: KernelVersion, memory: typeof mapPrivate) {
    this.machine = boot(version);
    const { mms } = this;
    this.do(0, function* (k) {
      yield* addRam(k, 3);
      const parent = createProcess(k, "parent", 1);
      yield* memory(k, parent, 0);
      mms.push(parent, yield* createChild(k, parent, "child"));
    });
  }

  do<T>(who: number, operation: (k: Kernel) => Code<T>): T {
    const done = this.machine.run(operation, this.mms[who] ?? null);
    if (isBlocked(done)) throw new Error(`waits for ${done.blocked}`);
    expect(this.machine.warning()).toBe(null);
    for (const rule of [referencesAddUp, chargesAddUp, rssCountsMappings, pooledPageIsUnused]) {
      expect(rule.check(this.machine.k, this.machine.see)).toBe(null);
    }
    return done;
  }

  vma(who: number): VmArea | undefined {
    const mm = this.mms[who];
    return mm === undefined || (who === 1 && !this.forked) ? undefined : this.machine.see(mm.mm_mt)[0];
  }

  /** One operation, if there is what it takes. */
  step({ op, who, flags }: Operation): void {
    const vma = this.vma(who);
    const mm = this.mms[who];
    if (op === "put" || op === "unpin") {
      const page = (op === "put" ? this.gets : this.pins).shift();
      if (page !== undefined)
        this.do(who, (k) => (op === "put" ? k.put_user_page(page) : k.unpin_user_page(page)));
      return;
    }
    if (vma === undefined || mm === undefined) return;
    if (op === "read" || op === "write") this.do(who, (k) => k.touch(mm, 0, op === "write"));
    else if (op === "dontneed") this.do(who, (k) => k.madvise_dontneed_single_vma(vma, 0, 1));
    else if (op === "munmap") this.do(who, (k) => k.munmap(vma));
    else if (op === "mlock") this.do(who, (k) => k.do_mlock(vma));
    else if (op === "fork") this.fork();
    else {
      const take = op === "get" ? "get_user_pages_fast" : "pin_user_pages_fast";
      const pages = this.do(who, (k) => k[take](0, 1, op === "get" ? flags & FOLL_WRITE : flags));
      if (typeof pages !== "number") this[op === "get" ? "gets" : "pins"].push(...pages);
    }
  }

  fork(): void {
    const [parent, child] = this.mms;
    if (this.forked || parent === undefined || child === undefined) return;
    this.forked = true;
    this.do(0, (k) => k.dup_mmap(parent, child));
  }

  /** What a process has at the address: nothing, the page of zeroes, a page of ordinary memory by its number, or another. */
  entry(who: number): string {
    const ptep = this.mms[who]?.page_table[0];
    const entry = ptep === undefined ? null : this.machine.see(ptep);
    if (entry === null) return "none";
    if (entry.pfn === this.machine.k.world.zero_page.pfn) return "zeroes";
    return entry.pfn < FIRST_RAM ? "device" : `page ${entry.pfn - FIRST_RAM}`;
  }
}

const OPERATIONS = [
  "read",
  "write",
  "dontneed",
  "get",
  "put",
  "pin",
  "unpin",
  "fork",
  "munmap",
  "mlock",
] as const;

interface Operation {
  readonly op: (typeof OPERATIONS)[number];
  readonly who: number;
  readonly flags: number;
}

const operation: fc.Arbitrary<Operation> = fc.record({
  op: fc.constantFrom(...OPERATIONS),
  who: fc.constantFrom(0, 0, 1),
  flags: fc.constantFrom(0, FOLL_WRITE, FOLL_LONGTERM, FOLL_WRITE | FOLL_LONGTERM),
});

const memories = kernels.flatMap((version) => {
  const ofPrivate = { version, release: version.release, memory: mapPrivate };
  // From v6.0 on there is coherent memory.
  const has = !["v5.10", "v5.18"].includes(version.release);
  return has ? [ofPrivate, { ...ofPrivate, memory: mapCoherent }] : [ofPrivate];
});

describe.each(memories)("$release, $memory.name: an address that was given up", ({ version, memory }) => {
  const having = (...ops: readonly Operation["op"][]): Program => {
    const program = new Program(version, memory);
    for (const op of ops) program.step({ op, who: 0, flags: 0 });
    return program;
  };

  it("reads as zeroes, which are counted to nobody", () => {
    const program = having("dontneed", "read");
    const { rss_anon, rss_file } = program.mms[0] ?? expect.fail();
    expect([program.entry(0), program.machine.see(rss_anon), program.machine.see(rss_file)]).toEqual([
      "zeroes",
      0,
      0,
    ]);
  });

  it("gets a page with the first store, whether it was read before or not", () => {
    expect(having("dontneed", "write").entry(0)).toBe("page 0");
    expect(having("dontneed", "read", "write").entry(0)).toBe("page 0");
  });

  it("shares zeroes with a child, and the store of one is not the other's", () => {
    const program = having("dontneed", "read", "fork");
    program.step({ op: "write", who: 1, flags: 0 });
    expect([program.entry(0), program.entry(1)]).toEqual(["zeroes", "page 0"]);
  });

  it("goes with its mapping", () => {
    expect(having("dontneed", "read", "munmap").entry(0)).toBe("none");
  });

  it("lets GUP have the page of zeroes", () => {
    const program = having("dontneed", "get", "pin");
    expect(program.entry(0)).toBe("zeroes");
    const { zero_page } = program.machine.k.world;
    expect([program.gets, program.pins]).toEqual([[zero_page], [zero_page]]);
  });

  it("bears any mixture of reads, stores, GUP, fork, mlock and munmap", () => {
    fc.assert(
      fc.property(fc.array(operation, { minLength: 4, maxLength: 14 }), (ops) => {
        const program = new Program(version, memory);
        for (const o of ops) program.step(o);
      }),
      { numRuns: 12, seed: 20 },
    );
  });
});
