// A scenario of one's own: two callers hold a pin of the same page, and a punch hole waits for both.
import {
  createFile,
  createProcess,
  FOLL_WRITE,
  type Kernel,
  mapFile,
  mountDax,
  noPinOnFreeBlock,
  noWarning,
  scenario,
} from "pagelife/kernel";

export default scenario({
  name: "two-unpinners-vs-punch-hole",
  question: "Whoever of two unpins last: is the punch hole woken?",
  *setup(k) {
    const sb = mountDax(k, 1);
    const inode = yield* createFile(k, sb, "file", 1);
    const mm = createProcess(k, "mm", 1);
    yield* mapFile(k, mm, inode, 0, 1);
    k.current.mm = mm;
    yield* k.touch(mm, 0, true);
    const first = yield* pin(k);
    const second = yield* pin(k);
    return { inode, first, second };
  },
  threads: {
    punch: {
      title: "punch hole",
      cpu: 0,
      *run(k, { inode }) {
        yield* k.ext4_punch_hole(inode, 0, 1);
      },
    },
    first: {
      title: "unpin",
      cpu: 1,
      *run(k, { first }) {
        yield* k.unpin_user_pages(first);
      },
    },
    second: {
      title: "unpin",
      cpu: 2,
      *run(k, { second }) {
        yield* k.unpin_user_pages(second);
      },
    },
  },
  invariants: [noPinOnFreeBlock, noWarning],
});

function* pin(k: Kernel) {
  const pages = yield* k.pin_user_pages_fast(0, 1, FOLL_WRITE);
  if (typeof pages === "number") throw new Error(`the pin failed: ${pages}`);
  return pages;
}
