// Who may change an entry of the page cache: whoever has locked it. The kernel's own check sees an unlock of what is not
// locked, and no more; the rule knows whose lock it is.
import { describe, expect, it } from "vitest";
import { kernels } from "../../src/changes/kernels.ts";
import type { Code } from "../../src/explore/access.ts";
import { explore } from "../../src/explore/explore.ts";
import { entryCell, storeEntries } from "../../src/kernel/fs/dax-store.ts";
import type { Inode } from "../../src/kernel/include/linux/fs.ts";
import { entryLockIsHeld } from "../../src/kernel/invariants.ts";
import { spin_lock, spin_unlock } from "../../src/kernel/kernel/locking/spinlock.ts";
import type { Kernel } from "../../src/kernel/kernel.ts";
import { READ_ONCE } from "../../src/kernel/lib/atomic.ts";
import { programOf, scenario } from "../../src/kernel/scenario.ts";
import { mappedFile } from "../../src/scenarios/furniture.ts";

type Act = (k: Kernel, inode: Inode) => Code;

/** What the rule says of two tasks that act on the entry of a file of one page, which is there and unlocked. */
function said(one: Act, two: Act, release = "v7.2"): readonly string[] {
  const acts = scenario({
    name: "one-vs-two",
    question: "Who changes the entry?",
    *setup(k) {
      const { inode, mm } = yield* mappedFile(k, "ext4", 1);
      yield* k.touch(mm, 0, true);
      return { inode };
    },
    threads: {
      one: { title: "one", cpu: 0, run: (k, { inode }) => one(k, inode) },
      two: { title: "two", cpu: 1, run: (k, { inode }) => two(k, inode) },
    },
    invariants: [entryLockIsHeld],
  });
  const version = kernels.find((k) => k.release === release);
  if (version === undefined) throw new Error(`no kernel ${release}`);
  const { search } = explore(programOf(acts, version));
  expect(search.complete).toBe(true);
  return search.findings.filter((f) => f.finding.kind === "invariant").map((f) => f.finding.detail);
}

function* lockAndUnlock(k: Kernel, { i_mapping }: Inode): Code {
  const entry = yield* k.grab_mapping_entry(i_mapping, 0, 0);
  if (entry !== "FALLBACK") yield* k.dax_unlock_entry(i_mapping, 0, entry);
}

/** Locks the entry, and keeps it. */
function* lock(k: Kernel, { i_mapping }: Inode): Code {
  yield* k.grab_mapping_entry(i_mapping, 0, 0);
}

/** Unlocks an entry as it finds it. */
function* unlock(k: Kernel, { i_mapping }: Inode): Code {
  const entry = yield* READ_ONCE(entryCell(i_mapping, 0));
  if (entry?.locked) yield* k.dax_unlock_entry(i_mapping, 0, entry);
}

/** Stores to the slot under xa_lock, whatever is in it. */
const store = (next: "none" | "locked"): Act =>
  function* act(k, { i_mapping }) {
    yield* spin_lock(k, i_mapping.xa_lock);
    yield* storeEntries(k, i_mapping, [0], [], () => ({
      next: [next === "none" ? null : { kind: "empty", pfn: 0, pmd: false, locked: true }],
      result: null,
    }));
    yield* spin_unlock(i_mapping.xa_lock);
  };

describe.each(kernels.map((k) => k.release))("on %s", (release) => {
  it("lets two tasks lock and unlock an entry in turn", () => {
    expect(said(lockAndUnlock, lockAndUnlock, release)).toEqual([]);
  });

  it("lets an unlocked entry be removed", () => {
    expect(said(lockAndUnlock, (k, inode) => k.ext4_punch_hole(inode, 0, 1), release)).toEqual([]);
  });
});

it("sees that an entry is unlocked which somebody else has locked", () => {
  expect(said(lock, unlock)).toEqual([
    "two unlocks the entry of page 0 of file (pfn 0x40), which one has locked",
  ]);
});

it("sees that a locked entry is removed, or locked once more", () => {
  expect(said(lockAndUnlock, store("none"))).toEqual([
    "two removes the entry of page 0 of file (pfn 0x40), which one has locked",
  ]);
  expect(said(lockAndUnlock, store("locked"))).toEqual([
    "two stores to the entry of page 0 of file (pfn 0x40), which one has locked",
  ]);
});

it("sees that an entry is unlocked which is not locked", () => {
  const unlocks: Act = (k, { i_mapping }) =>
    k.dax_unlock_entry(i_mapping, 0, { kind: "empty", pfn: 0, pmd: false, locked: true });
  expect(said(unlocks, function* () {})).toEqual([
    "one unlocks the entry of page 0 of file (pfn 0x40), which is not locked",
  ]);
});
