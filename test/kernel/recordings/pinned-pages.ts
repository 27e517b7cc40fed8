import { directIoOf } from "../../../src/conformance/direct-io.ts";
import { FALLOC_FL_PUNCH_HOLE } from "../../../src/kernel/include/linux/fs.ts";
import { FOLL_WRITE } from "../../../src/kernel/mm/gup-flags.ts";
import type { Replay } from "./replay.ts";
import { taken, unlink, type Workload, writtenFile } from "./workload.ts";

/** Reads from a block device into mapped pages: takes them, as the release does, and gives back a way to let go. */
function directRead(run: Replay, release: string, pages: number): () => void {
  const { k } = run;
  const { takes, put } = directIoOf(release);
  if (takes === "pin") {
    const pinned = run.do(taken(k.pin_user_pages_fast(0, pages, FOLL_WRITE)));
    return () => run.do(k.unpin_user_pages(pinned));
  }
  const got = run.do(taken(k.get_user_pages_fast(0, pages, FOLL_WRITE)));
  return () => {
    for (const page of got) run.do(put(k, page));
  };
}

export const odirectRead: Workload = (run, { fs, release }) => {
  const { k } = run;
  const { inode, vma, first } = writtenFile(run, fs, 64);
  run.look("before-pin", first);
  const done = directRead(run, release, 64);
  for (let i = 0; i < 4; i++) run.look("during-odirect", first);
  done();
  run.look("after-odirect", first);
  run.do(k.munmap(vma));
  run.do(unlink(k, inode));
  run.look("after-unlink", first);
};

/** Pages that are read into with O_DIRECT are punched out: the punch waits for the device. */
export const punchPinned: Workload = (run, { fs, release }) => {
  const { k } = run;
  const { inode, mm, vma, first } = writtenFile(run, fs, 64);
  run.look("before-pin", first);
  const done = directRead(run, release, 64);
  run.look("pinned", first);
  const punch = run.start(run.other.vfs_fallocate(inode, FALLOC_FL_PUNCH_HOLE, 0, 64));
  if (punch.ended()) throw new Error("the punch did not wait");
  done();
  // A recording of v6.1 ends here, where the references are dropped in a way that wakes nobody.
  if (release === "v6.1") return;
  punch.goOn();
  if (!punch.ended()) throw new Error("the punch still waits");
  run.look("after-punch", first);
  run.do(k.touch(mm, 0, false));
  run.do(k.munmap(vma));
};

/** As before, and the first page is touched once more while the punch waits. */
export const punchRefault: Workload = (run, { fs, release, punchIsQuick }) => {
  const { k } = run;
  const { inode, mm, vma, first } = writtenFile(run, fs, 64);
  run.look("before-pin", first);
  const done = directRead(run, release, 64);
  run.look("pinned", first);
  const punch = run.start(run.other.vfs_fallocate(inode, FALLOC_FL_PUNCH_HOLE, 0, 64));
  run.do(k.touch(mm, 0, true));
  run.look("refaulted", first);
  done();
  if (punchIsQuick) punch.goOn();
  run.look("after-unpin", first);
  punch.goOn();
  if (!punchIsQuick) run.look("waiting", first);
  if (!punch.ended()) for (let i = 1; i < 10; i++) run.look("waiting", first);
  run.do(k.munmap(vma));
  run.look("after-munmap", first);
  punch.goOn();
  if (!punch.ended()) throw new Error("the punch still waits");
};

/** Four pages are put into a pipe, and punched out while they are there; unmapped before that, or not. */
export const vmsplice =
  (unmapFirst: boolean): Workload =>
  (run, { fs }) => {
    const { k } = run;
    const { inode, vma, first } = writtenFile(run, fs, 16);
    run.look("before-vmsplice", first);
    const pages = run.do(taken(k.get_user_pages_fast(0, 4, 0)));
    run.look("vmspliced", first);
    if (unmapFirst) {
      run.do(k.munmap(vma));
      run.look("munmapped-but-in-pipe", first);
    }
    const punch = run.start(run.other.vfs_fallocate(inode, FALLOC_FL_PUNCH_HOLE, 0, 16));
    const waits = !punch.ended();
    if (!waits) run.look("after", first);
    run.look("vmsplice-still-held(just before drain)", first);
    for (const page of pages) run.do(k.put_user_page(page));
    punch.goOn();
    if (!punch.ended()) throw new Error("the punch still waits");
    if (waits) run.look("after", first);
    run.look("after-drain", first);
    if (!unmapFirst) run.do(k.munmap(vma));
    run.do(unlink(k, inode));
  };
