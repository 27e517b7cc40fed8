// What callers of GUP cannot ask for, and what nobody gives back.

import { describe, expect, it } from "vitest";
import { kernels } from "../../src/changes/kernels.ts";
import type { Code } from "../../src/explore/access.ts";
import { EINVAL } from "../../src/kernel/include/asm-generic/errno-base.ts";
import type { Page } from "../../src/kernel/include/linux/mm_types.ts";
import type { Kernel, KernelVersion } from "../../src/kernel/kernel.ts";
import {
  FOLL_FAST_ONLY,
  FOLL_GET,
  FOLL_LONGTERM,
  FOLL_PIN,
  FOLL_WRITE,
} from "../../src/kernel/mm/gup-flags.ts";
import { boot, isBlocked, type Machine } from "../../src/kernel/sequential.ts";
import { mappedFile } from "../../src/scenarios/furniture.ts";

/** Runs a program in a process that maps a page which it has stored to. */
function run<T>(machine: Machine, program: (k: Kernel) => Code<T>): T {
  const result = machine.run(function* (k) {
    const { mm } = yield* mappedFile(k, "ext4", 1);
    k.current.mm = mm;
    yield* k.touch(mm, 0, true);
    return yield* program(k);
  });
  if (isBlocked(result)) throw new Error(`waits for ${result.blocked}`);
  return result;
}

const pagesOf = (pages: readonly Page[] | number): readonly Page[] =>
  typeof pages === "number" ? [] : pages;

describe.each(kernels)("on $release", (kernel) => {
  // is_valid_gup_flags() up to v6.2, is_valid_gup_args() since.
  const since6_3 = !["v5.10", "v5.18", "v6.1"].includes(kernel.release);

  it.each([
    { call: "pin", flags: FOLL_GET, valid: false },
    { call: "pin", flags: FOLL_PIN, valid: !since6_3 },
    { call: "pin", flags: FOLL_FAST_ONLY, valid: !since6_3 },
    { call: "get", flags: FOLL_GET, valid: true },
    { call: "get", flags: FOLL_PIN, valid: false },
    { call: "get", flags: FOLL_LONGTERM, valid: false },
  ] as const)("$call with $flags: valid is $valid", ({ call, flags, valid }) => {
    const machine = boot(kernel);
    const said = run(machine, function* (k) {
      const all = flags | FOLL_WRITE;
      const got =
        call === "pin" ? yield* k.pin_user_pages_fast(0, 1, all) : yield* k.get_user_pages_fast(0, 1, all);
      return typeof got === "number" ? got : got.length;
    });
    expect(said).toBe(valid ? 1 : -EINVAL);
    expect(machine.warning() === null).toBe(valid);
  });
});

describe("what was not taken", () => {
  const newest = kernels[kernels.length - 1] as KernelVersion;
  it.each<{ name: string; says: string; code: (k: Kernel) => Code<void> }>([
    {
      name: "a pin is given back once",
      says: "unpins pfn 0x40, which nobody has pinned",
      *code(k) {
        const pins = yield* k.pin_user_pages_fast(0, 1, FOLL_WRITE);
        yield* k.unpin_user_pages(pagesOf(pins));
        yield* k.unpin_user_pages(pagesOf(pins));
      },
    },
    {
      name: "a reference is not unpinned",
      says: "unpins pfn 0x40, which nobody has pinned",
      *code(k) {
        const gets = yield* k.get_user_pages_fast(0, 1, FOLL_WRITE);
        yield* k.unpin_user_pages(pagesOf(gets));
      },
    },
    {
      name: "a pin is not put as a reference",
      says: "drops a reference to pfn 0x40, of which nobody has one",
      *code(k) {
        const pins = yield* k.pin_user_pages_fast(0, 1, FOLL_WRITE);
        for (const page of pagesOf(pins)) yield* k.put_user_page(page);
      },
    },
  ])("$name", ({ says, code }) => {
    expect(() => run(boot(newest), code)).toThrow(says);
  });
});
