// Memory of a PCI device that a program maps: what its pages count, where they are, and what the device is held by.

import { describe, expect, it } from "vitest";
import { kernels, v7_2 } from "../../src/changes/kernels.ts";
import { EINVAL, EREMOTEIO } from "../../src/kernel/include/asm-generic/errno-base.ts";
import { VM_WRITE } from "../../src/kernel/include/linux/mm_types.ts";
import { change, withChanges } from "../../src/kernel/kernel.ts";
import { FOLL_LONGTERM, FOLL_PCI_P2PDMA } from "../../src/kernel/mm/gup-flags.ts";
import { boot } from "../../src/kernel/sequential.ts";
import { createProcess, mapFile } from "../../src/kernel/setup.ts";
import { createP2pmem, FIRST_P2PMEM_PFN } from "../../src/kernel/setup-device.ts";
import { mayFail } from "../../src/kernel/setup-errors.ts";

const withMmap = kernels.slice(3);
/** What a page counts in the pool, until v6.15 normalised that. */
const idle = (release: string): number => (release === "v6.12" ? 1 : 0);

describe.each(withMmap)("$release: memory of a PCI device", (version) => {
  it("has one reference for its entry, and comes back with the last of all", () => {
    const machine = boot(version);
    const count = (): number => machine.counts(FIRST_P2PMEM_PFN).refcount;
    const seen = machine.run(function* (k) {
      const file = createP2pmem(k, 2);
      const mm = createProcess(k, "mm", 2);
      const { p2pmem } = file;
      const state = (): string =>
        `${count()} ${p2pmem && machine.see(p2pmem.pool).length} ${p2pmem && machine.see(p2pmem.ref).count}`;
      const states = [state()];
      const vma = yield* mapFile(k, mm, file, 0, 2);
      states.push(state());
      k.current.mm = mm;
      const pages = yield* k.pin_user_pages_fast(0, 1, FOLL_PCI_P2PDMA);
      states.push(state());
      yield* k.munmap(vma);
      states.push(state());
      if (typeof pages !== "number") yield* k.unpin_user_pages(pages);
      states.push(state());
      return states;
    });
    // The count of the first page, pages in the pool, and references of the pgmap: one for each page that is out.
    expect(seen).toEqual([
      `${idle(version.release)} 2 1`,
      "1 0 3",
      "1025 0 3",
      "1024 1 2",
      `${idle(version.release)} 2 1`,
    ]);
  });

  it("is mapped shared, from the first page on, while there is some", () => {
    const machine = boot(version);
    const got = machine.run(function* (k) {
      const file = createP2pmem(k, 1);
      const mm = createProcess(k, "mm", 3);
      const mapped: boolean[] = [];
      for (const [address, pages, flags] of [
        [0, 1, VM_WRITE],
        [0, 1, undefined],
        [1, 1, undefined],
      ] as const) {
        const vma = yield* mayFail(mapFile(k, mm, file, address, pages, flags));
        const there = yield* k.vma_lookup(mm, address);
        mapped.push(there === vma);
      }
      return mapped;
    });
    // A private mapping is refused, and one too many.
    expect(got).toEqual([false, true, false]);
  });

  it("is pinned for long by nobody, and gets nobody who does not say so", () => {
    const machine = boot(version);
    const got = machine.run(function* (k) {
      const mm = createProcess(k, "mm", 1);
      yield* mapFile(k, mm, createP2pmem(k, 1), 0, 1);
      k.current.mm = mm;
      const long = yield* k.pin_user_pages_fast(0, 1, FOLL_PCI_P2PDMA | FOLL_LONGTERM);
      const longGet = yield* k.get_user_pages_fast(0, 1, FOLL_LONGTERM);
      const unaware = yield* k.get_user_pages_fast(0, 1, 0);
      return [long, longGet, unaware];
    });
    expect(got).toEqual([-EINVAL, -EINVAL, -EREMOTEIO]);
  });
});

it.each(kernels.slice(0, 3))("$release has none for programs", (version) => {
  expect(() =>
    boot(version).run(function* (k) {
      createP2pmem(k, 1);
    }),
  ).toThrow(/PL304.*from v6.2 on/);
});

// Before v7.2 the reference of the pgmap stays, and since v6.15 the count of the page, too.
it.each([
  { release: "v6.12", left: "2 pooled, 2, counts 1 1" },
  { release: "v6.15", left: "2 pooled, 2, counts 0 1" },
  { release: "v7.2", left: "2 pooled, 1, counts 0 0" },
])("$release: a mapping of which the second page fails is undone", ({ release, left }) => {
  const version = kernels.find((k) => k.release === release) ?? v7_2;
  const fails = change({
    name: "test/second-page-fails",
    subject: "there is no memory for the table of the second page",
    source: "a test",
    functions: {
      *vm_insert_page(k, vma, address, page) {
        return address === 1 ? "SIGBUS" : yield* k.below.vm_insert_page(vma, address, page);
      },
    },
  });
  const machine = boot(withChanges(version, [fails]));
  const p2pmem = machine.run(function* (k) {
    const file = createP2pmem(k, 2);
    const mm = createProcess(k, "mm", 2);
    yield* mayFail(mapFile(k, mm, file, 0, 2));
    const there = yield* k.vma_lookup(mm, 0);
    expect(there).toBe(null);
    return file.p2pmem;
  });
  if (p2pmem === null || "blocked" in p2pmem) throw new Error("no memory");
  const { see, counts } = machine;
  const each = [0, 1].map((i) => counts(FIRST_P2PMEM_PFN + i).refcount).join(" ");
  expect(`${see(p2pmem.pool).length} pooled, ${see(p2pmem.ref).count}, counts ${each}`).toBe(left);
});
