import type { Inode } from "../kernel/include/linux/fs.ts";
import type { MmStruct } from "../kernel/include/linux/mm_types.ts";
import { noLongtermPinOfFsdax, noPinOnFreeBlock, noWarning, referencesAddUp } from "../kernel/invariants.ts";
import { FOLL_LONGTERM, FOLL_WRITE } from "../kernel/mm/gup-flags.ts";
import { type Expectation, scenario } from "../kernel/scenario.ts";
import { mappedFile } from "./furniture.ts";

interface World {
  readonly inode: Inode;
  readonly mm: MmStruct;
}

const devmap: Expectation = {
  verdict: "holds",
  because: "the fast path stops at the devmap entry, and the mapping is refused",
};
const folioType: Expectation = {
  verdict: "holds",
  because:
    "the entry is an ordinary one; folio_is_longterm_pinnable() asks for the type of the memory once the reference " +
    "is held, and gives it back (mm/gup: don't allow FOLL_LONGTERM pinning of FS DAX pages)",
};

export const longtermPinVsPunchHole = scenario<World>({
  name: "longterm-pin-vs-punch-hole",
  question: "Can pages of a DAX file be pinned for long, by either path, for reading or writing?",
  claim:
    "That they must not is all that the devmap bit would still be for; the type of the memory says so as well, after " +
    "the head is grabbed (Oct 2021, reference/threads/003).",
  closed: "Nobody munmaps, no signal arrives.",
  *setup(k) {
    const { inode, mm } = yield* mappedFile(k, "ext4", 1);
    yield* k.touch(mm, 0, true);
    return { inode, mm };
  },
  threads: {
    punch: {
      title: "punch hole",
      cpu: 0,
      *run(k, { inode }) {
        yield* k.ext4_punch_hole(inode, 0, 1);
      },
    },
    gup: {
      title: "longterm gup",
      cpu: 1,
      mm: ({ mm }) => mm,
      *run(k) {
        yield* k.pin_user_pages_fast(0, 1, FOLL_LONGTERM);
        yield* k.pin_user_pages_fast(0, 1, FOLL_LONGTERM | FOLL_WRITE);
      },
    },
  },
  invariants: [noLongtermPinOfFsdax, noPinOnFreeBlock, referencesAddUp, noWarning],
  expected: {
    "v5.10": {
      verdict: "holds",
      because:
        "the slow path pins first, then looks at the mapping, and gives the pins back before it returns",
    },
    "v5.18": devmap,
    "v6.1": devmap,
    "v6.12": devmap,
    "v6.15": folioType,
    "v7.2": folioType,
  },
  twins: [
    {
      change: "twin/fsdax-longterm-pinnable",
      kernel: "v7.2",
      expect: "invariant",
      rule: "no-longterm-pin-of-fsdax",
      because: "the fast path pins it for reading; for writing gup_fast_folio_allowed() still refuses a file",
    },
    {
      change: "twin/fsdax-longterm-pinnable",
      kernel: "v6.12",
      expect: "survives",
      because: "the devmap entry stops the fast path before",
    },
    {
      change: "twin/vma-longterm-allowed",
      kernel: "v6.12",
      expect: "invariant",
      rule: "no-longterm-pin-of-fsdax",
      because: "the slow path pins it",
    },
  ],
});
