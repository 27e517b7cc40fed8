import { hex } from "../base/brand.ts";
import { type MmStruct, VM_WRITE } from "../kernel/include/linux/mm_types.ts";
import { chargesAddUp, type KernelInvariant, noWarning } from "../kernel/invariants.ts";
import { type Expectation, scenario } from "../kernel/scenario.ts";
import { addRam, createChild, createFile, createProcess, mapFile, mountDax } from "../kernel/setup.ts";

interface World {
  readonly parent: MmStruct;
  readonly child: MmStruct;
}

/** What is pinned through an address is what the process reads and writes there. */
const pinIsOfMappedPage: KernelInvariant = {
  name: "pin-is-of-mapped-page",
  at: "end",
  check: (k, see) => {
    const [pinned] = [...k.world.mem_map.values()].filter((page) => see(page.heldPins).length > 0);
    const child = k.world.mms.find((mm) => mm.name === "child");
    const ptep = child?.page_table[0];
    const pte = ptep === undefined ? null : see(ptep);
    if (pinned === undefined || pte?.pfn === pinned.pfn) return null;
    return `pfn ${hex(pinned.pfn)} is pinned, but child[0] maps ${pte === null ? "nothing" : `pfn ${hex(pte.pfn)}`}`;
  },
};

const leavesPinBehind: Expectation = {
  verdict: "invariant",
  rule: "pin-is-of-mapped-page",
  because: "the page that fork() has shared is pinned as it is, and the store goes to a copy",
};

const unshares: Expectation = {
  verdict: "holds",
  because:
    "mm/gup: trigger FAULT_FLAG_UNSHARE when R/O-pinning a possibly shared anonymous page (v5.19): the process has the page " +
    "for itself before it is pinned",
};

export const readPinVsStore = scenario<World>({
  name: "read-pin-vs-store",
  question:
    "Is what a process has pinned for reading what it writes to afterwards, when fork() had shared the page?",
  claim:
    "A read-only pin of an anonymous page is reliable only if the page is exclusive to the process (the series on reliable pins of anonymous pages, v5.19).",
  closed:
    "The pin is not dropped, so that one can see what it is of. The parent does not touch the page, and nobody forks again.",
  *setup(k) {
    const sb = mountDax(k, 1);
    yield* addRam(k, 2);
    const inode = yield* createFile(k, sb, "file", 1);
    const parent = createProcess(k, "parent", 1);
    yield* mapFile(k, parent, inode, 0, 1, VM_WRITE);
    const child = yield* createChild(k, parent, "child");
    k.current.mm = parent;
    yield* k.touch(parent, 0, true);
    yield* k.dup_mmap(parent, child);
    return { parent, child };
  },
  threads: {
    pin: {
      title: "pin for reading by the child",
      cpu: 0,
      mm: ({ child }) => child,
      *run(k) {
        yield* k.pin_user_pages_fast(0, 1, 0);
      },
    },
    store: {
      title: "store by the child",
      cpu: 1,
      mm: ({ child }) => child,
      *run(k, { child }) {
        yield* k.touch(child, 0, true);
      },
    },
  },
  invariants: [pinIsOfMappedPage, chargesAddUp, noWarning],
  expected: {
    "v5.10": leavesPinBehind,
    "v5.18": leavesPinBehind,
    "v6.1": unshares,
    "v6.12": unshares,
    "v6.15": unshares,
    "v7.2": unshares,
  },
  twins: [
    {
      change: "twin/pin-without-unshare",
      kernel: "v6.12",
      expect: "invariant",
      rule: "pin-is-of-mapped-page",
      because: "as before v5.19",
    },
  ],
});
