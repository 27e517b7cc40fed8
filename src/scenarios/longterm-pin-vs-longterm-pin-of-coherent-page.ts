import type { MmStruct } from "../kernel/include/linux/mm_types.ts";
import {
  chargesAddUp,
  countNotBelowIdle,
  heldPageIsReferenced,
  noLongtermPinOfFsdax,
  noWarning,
  referencesAddUp,
} from "../kernel/invariants.ts";
import type { Code, Kernel } from "../kernel/kernel.ts";
import { FOLL_LONGTERM, FOLL_WRITE } from "../kernel/mm/gup-flags.ts";
import { type Expectation, scenario } from "../kernel/scenario.ts";
import { addRam, createProcess } from "../kernel/setup.ts";
import { mapCoherent } from "../kernel/setup-device.ts";

interface World {
  readonly mm: MmStruct;
}

const givesBack: Expectation = {
  verdict: "holds",
  because:
    "the reference that GUP without locks has taken when it learns what memory it is goes back, and the page moves, or the " +
    "pin fails with EBUSY",
};

function* pinForLong(k: Kernel): Code<void> {
  yield* k.pin_user_pages_fast(0, 1, FOLL_LONGTERM | FOLL_WRITE);
}

export const longtermPinsOfCoherentPage = scenario<World>({
  name: "longterm-pin-vs-longterm-pin-of-coherent-page",
  question:
    "Do two pins for long of one page of coherent device memory leave its count right, and is it never pinned?",
  claim:
    "Whether a page may be pinned for long can be asked once its reference is held; before, it may be another page's (the " +
    "thread of October 2021 on the extra reference).",
  closed: "Nobody unmaps the page, and the pins are kept.",
  *setup(k) {
    const mm = createProcess(k, "mm", 1);
    yield* addRam(k, 2);
    yield* mapCoherent(k, mm, 0);
    return { mm };
  },
  threads: {
    one: { title: "pin for long", cpu: 0, mm: ({ mm }) => mm, run: pinForLong },
    two: { title: "another pin for long", cpu: 1, mm: ({ mm }) => mm, run: pinForLong },
  },
  invariants: [
    noLongtermPinOfFsdax,
    heldPageIsReferenced,
    countNotBelowIdle,
    chargesAddUp,
    referencesAddUp,
    noWarning,
  ],
  expected: {
    "v6.1": {
      verdict: "holds",
      because:
        "it asks before it takes a reference (here after it, as later kernels do); the page moves, or the pin fails with EBUSY",
    },
    "v6.12": givesBack,
    "v6.15": {
      verdict: "invariant",
      rule: "no-longterm-pin-of-fsdax",
      because:
        "GUP looks whether a page has been taken off the LRU to be moved (1aaf8c122918), and a page of a device is on none: " +
        "it is pinned where it is",
    },
    "v7.2": givesBack,
  },
  twins: [
    {
      change: "twin/coherent-is-pinnable",
      kernel: "v6.12",
      expect: "invariant",
      rule: "no-longterm-pin-of-fsdax",
      because: "the page is pinned for long, and cannot move",
    },
    {
      change: "twin/unpinnable-keeps-reference",
      kernel: "v7.2",
      expect: "invariant",
      rule: "references-add-up",
      because: "the page keeps a reference that nobody holds, and can never move",
    },
  ],
});
