// A private mapping: the page that the program has stored to is its own, and a punch hole leaves it alone.

import { fail } from "pagelife/explore";
import {
  addRam,
  createFile,
  createProcess,
  mapFile,
  mountDax,
  noMappingOfFreeBlock,
  noWarning,
  pte_offset,
  READ_ONCE,
  scenario,
  VM_WRITE,
} from "pagelife/kernel";

export default scenario({
  name: "private-copy-vs-punch-hole",
  question: "Does a private copy survive a punch hole?",
  *setup(k) {
    const sb = mountDax(k, 1);
    yield* addRam(k, 1);
    const inode = yield* createFile(k, sb, "file", 1);
    const mm = createProcess(k, "mm", 1);
    yield* mapFile(k, mm, inode, 0, 1, VM_WRITE);
    return { inode, mm };
  },
  threads: {
    store: {
      title: "store",
      cpu: 0,
      mm: ({ mm }) => mm,
      *run(k, { mm }) {
        const fault = yield* k.touch(mm, 0, true);
        if (fault !== "NOPAGE") return;
        const pte = yield* READ_ONCE(pte_offset(mm, 0));
        if (pte === null) fail("private-copy-is-there", "the page that was stored to is gone");
      },
    },
    punch: {
      title: "punch hole",
      cpu: 1,
      *run(k, { inode }) {
        yield* k.ext4_punch_hole(inode, 0, 1);
      },
    },
  },
  invariants: [noMappingOfFreeBlock, noWarning],
});
