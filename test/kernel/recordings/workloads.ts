// The recorded workloads, operation by operation: what the real program did, and where it looked at a page. Only the
// pages that it used are there. Moments have the names that the program gave them.
import type { Pfn } from "../../../src/base/brand.ts";
import { pfn as toPfn } from "../../../src/base/brand.ts";
import { directIoOf } from "../../../src/conformance/direct-io.ts";
import type { Code } from "../../../src/explore/access.ts";
import {
  FALLOC_FL_PUNCH_HOLE,
  type FileSystemName,
  type Inode,
} from "../../../src/kernel/include/linux/fs.ts";
import {
  type MmStruct,
  type Page,
  VM_NOHUGEPAGE,
  VM_SHARED,
  VM_WRITE,
  type VmArea,
} from "../../../src/kernel/include/linux/mm_types.ts";
import type { Kernel } from "../../../src/kernel/kernel.ts";
import { FOLL_LONGTERM, FOLL_WRITE } from "../../../src/kernel/mm/gup-flags.ts";
import { createDevDax, createFile, createProcess, mapFile, mountDax } from "../../../src/kernel/setup.ts";
import type { Replay } from "./replay.ts";

export interface Circumstances {
  /** As in `v6.12`. */
  readonly release: string;
  readonly fs: FileSystemName;
  /** Did a punch that could go on come to its end before the program looked again? */
  readonly punchIsQuick: boolean;
}

export type Workload = (run: Replay, circumstances: Circumstances) => void;

/** Page frames that a PMD entry can map. */
const FIRST_BLOCK = 0x48400;

/** Of mappings that no PMD entry has room in. */
const SMALL = VM_SHARED | VM_WRITE | VM_NOHUGEPAGE;

interface Mapped {
  readonly inode: Inode;
  readonly mm: MmStruct;
  readonly vma: VmArea;
  /** Page frame of the first page. */
  readonly first: Pfn;
}

/** A file with a block for each page, mapped, and every page written to. */
function writtenFile(run: Replay, fs: FileSystemName, pages: number): Mapped {
  const { k } = run;
  const sb = run.make(() => mountDax(k, pages, fs, FIRST_BLOCK));
  const mm = run.make(() => createProcess(k, "p", pages));
  k.current.mm = mm;
  const inode = run.do(createFile(k, sb, "file", pages));
  const vma = run.do(mapFile(k, mm, inode, 0, pages, SMALL));
  for (let i = 0; i < pages; i++) run.do(k.touch(mm, i, true));
  return { inode, mm, vma, first: toPfn(FIRST_BLOCK) };
}

function* taken(code: Code<readonly Page[] | number>): Code<readonly Page[]> {
  const pages = yield* code;
  if (typeof pages === "number") throw new Error(`GUP returned ${pages}`);
  return pages;
}

function* unlink(k: Kernel, inode: Inode): Code {
  yield* k.vfs_unlink(inode);
  yield* k.evict(inode);
}

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

const touch: Workload = (run, { fs }) => {
  const { k } = run;
  const { inode, mm, vma, first } = writtenFile(run, fs, 16);
  run.look("touched-page0", first);
  run.look("touched-page5", toPfn(first + 5));
  run.do(k.munmap(vma));
  run.look("after-munmap", first);
  const p = run.do(mapFile(k, mm, inode, 0, 16, SMALL));
  run.do(k.touch(mm, 0, false));
  run.look("re-read-fault", first);
  const other = run.make(() => createProcess(k, "q", 16));
  const q = run.do(mapFile(k, other, inode, 0, 16, SMALL));
  run.do(k.touch(other, 0, false));
  run.look("second-mapping-same-mm", first);
  run.do(k.touch(mm, 0, true));
  run.do(k.vfs_fsync(inode));
  run.look("after-fsync", first);
  run.do(k.touch(mm, 0, true));
  run.look("after-mkwrite-refault", first);
  run.do(k.munmap(q));
  run.look("after-munmap-q", first);
  run.do(k.munmap(p));
  run.look("after-munmap-p", first);
  run.do(unlink(k, inode));
  run.look("after-unlink", first);
};

/** A hole that a PMD entry shows, read; then a page of it written to through small entries, and another one. */
const hole: Workload = (run, { fs }) => {
  const { k } = run;
  const [sb, p, s] = run.make(() => [
    mountDax(k, 2, fs, FIRST_BLOCK),
    createProcess(k, "p", 512),
    createProcess(k, "s", 512),
  ]);
  const inode = run.do(createFile(k, sb, "file", 512, 0));
  const block = (page: number): Pfn =>
    run.see(inode.i_data[page] ?? fail(`no page ${page}`)) ?? fail("a hole");
  const large = run.do(mapFile(k, p, inode, 0, 512));
  run.do(k.touch(p, 0, false));
  const small = run.do(mapFile(k, s, inode, 0, 16, SMALL));
  run.do(k.touch(s, 1, false));
  run.do(k.touch(s, 1, true));
  run.look("pte-hole-write->block", block(1));
  run.do(k.touch(p, 0, true));
  run.look("pmd-hole-write", block(0));
  run.do(k.munmap(large));
  run.do(k.munmap(small));
};

function fail(why: string): never {
  throw new Error(why);
}

/** Two PMD entries, a second mapping of the first, one page of it unmapped, two touched again, all unmapped. */
const pmd: Workload = (run, { fs }) => {
  const { k } = run;
  const first = toPfn(0x48800);
  const at = (page: number): Pfn => toPfn(first + page);
  const { sb, p, q } = run.make(() => ({
    sb: mountDax(k, 1024, fs, first),
    p: createProcess(k, "p", 1024),
    q: createProcess(k, "q", 1024),
  }));
  const inode = run.do(createFile(k, sb, "file", 1024));
  const whole = run.do(mapFile(k, p, inode, 0, 1024));
  run.do(k.touch(p, 0, true));
  run.look("pmd-head", first);
  run.look("pmd-tail1", at(1));
  run.look("pmd-tail511", at(511));
  run.do(k.touch(p, 512, true));
  run.look("pmd2-head", at(512));
  const second = run.do(mapFile(k, q, inode, 0, 1024));
  run.do(k.touch(q, 0, false));
  run.look("pmd-head-second-map", first);
  run.do(k.zap_page_range(second, 1, 2));
  // What is left of it has no room for a PMD entry.
  run.do(k.munmap(second));
  const rest = run.do(mapFile(k, q, inode, 0, 1024, SMALL));
  run.do(k.touch(q, 0, false));
  run.look("q-refault-pte", first);
  run.look("head", first);
  run.do(k.touch(q, 2, false));
  run.look("q-refault-pte page2", at(2));
  run.look("head", first);
  run.look("tail1", at(1));
  run.look("tail2", at(2));
  run.do(k.munmap(rest));
  run.look("head after munmap q", first);
  run.do(k.munmap(whole));
  run.look("head after munmap p", first);
  run.look("tail1 after munmap p", at(1));
  run.do(k.vfs_fallocate(inode, FALLOC_FL_PUNCH_HOLE, 0, 1));
  run.look("head after punch4k", first);
  run.look("tail1 after punch4k", at(1));
  run.look("tail2 after punch4k", at(2));
  run.do(unlink(k, inode));
  run.look("head after unlink", first);
  run.look("tail1 after unlink", at(1));
};

const odirectRead: Workload = (run, { fs, release }) => {
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
const punchPinned: Workload = (run, { fs, release }) => {
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
const punchRefault: Workload = (run, { fs, release, punchIsQuick }) => {
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
const vmsplice =
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

/** Three files share their blocks; each is mapped, and two of them are written to. */
const reflink: Workload = (run, { fs }) => {
  const { k } = run;
  const { sb, p, q, r } = run.make(() => ({
    sb: mountDax(k, 32, fs, FIRST_BLOCK),
    p: createProcess(k, "p", 16),
    q: createProcess(k, "q", 16),
    r: createProcess(k, "r", 16),
  }));
  const a = run.do(createFile(k, sb, "ra", 16));
  const b = run.do(createFile(k, sb, "rb", 16, 0));
  const frame = (inode: Inode): Pfn => run.see(inode.i_data[0] ?? fail("no page 0")) ?? fail("a hole");
  const first = frame(a);
  run.do(k.vfs_clone_file_range(a, b, 16));
  const ofA = run.do(mapFile(k, p, a, 0, 16, SMALL));
  const ofB = run.do(mapFile(k, q, b, 0, 16, SMALL));
  run.do(k.touch(p, 0, false));
  run.look("A read-mapped", first);
  run.do(k.touch(q, 0, false));
  run.look("B read-mapped (shared block)", first);
  run.look("A's page now", first);
  const c = run.do(createFile(k, sb, "rc", 16, 0));
  run.do(k.vfs_clone_file_range(a, c, 16));
  const ofC = run.do(mapFile(k, r, c, 0, 16, SMALL));
  run.do(k.touch(r, 0, false));
  run.look("C read-mapped (3rd)", first);
  run.do(k.munmap(ofC));
  run.look("C munmapped", first);
  run.do(k.touch(q, 0, true));
  run.look("B written (CoW)", frame(b));
  run.look("A's page after B CoW", first);
  run.do(k.touch(p, 0, true));
  run.look("A written (CoW)", frame(a));
  run.look("orig page", first);
  run.do(k.munmap(ofA));
  run.do(k.munmap(ofB));
  run.do(unlink(k, a));
  run.look("unlinked A", first);
  run.do(unlink(k, b));
  run.look("unlinked B", first);
  run.do(unlink(k, c));
  run.look("unlinked C", first);
};

/** Registers pages with io_uring, which keeps one pin of those that it takes of a folio. */
function register(run: Replay, pages: number): readonly Page[] {
  const { k } = run;
  const pinned = run.do(taken(k.pin_user_pages_fast(0, pages, FOLL_LONGTERM | FOLL_WRITE)));
  run.do(k.unpin_user_pages(pinned.slice(1)));
  return pinned.slice(0, 1);
}

/** A DAX device of two folios, mapped twice; the first folio is registered, then a page of it. */
const devdax: Workload = (run) => {
  const { k } = run;
  const first = toPfn(0x70600);
  const at = (page: number): Pfn => toPfn(first + page);
  const inode = run.do(createDevDax(k, "dax2.0", 1024, 512, first));
  const [p, q] = run.make(() => [createProcess(k, "p", 1024), createProcess(k, "q", 1024)]);
  k.current.mm = p;
  const both = run.do(mapFile(k, p, inode, 0, 1024));
  run.do(k.touch(p, 0, true));
  run.look("devdax head", first);
  run.look("devdax tail1", at(1));
  run.do(k.touch(p, 512, true));
  run.look("devdax 2nd 2M", at(512));
  const second = run.do(mapFile(k, q, inode, 0, 1024));
  run.do(k.touch(q, 0, false));
  run.look("devdax second mapping", first);
  const whole = register(run, 512);
  run.look("registered head", first);
  run.look("registered tail1", at(1));
  run.look("registered tail511", at(511));
  run.do(k.munmap(second));
  run.look("registered, q unmapped", first);
  run.do(k.unpin_user_pages(whole));
  run.look("unregistered", first);
  run.look("unregistered t1", at(1));
  const page = register(run, 1);
  run.look("registered 4K head", first);
  run.look("registered 4K t1", at(1));
  run.do(k.munmap(both));
  run.look("munmapped while registered", first);
  run.do(k.unpin_user_pages(page));
  run.look("ring closed", first);
};

/** A file system whose device goes: up to there. */
const unbind: Workload = (run, { fs }) => {
  const { first } = writtenFile(run, fs, 16);
  run.look("mapped", first);
};

/** A DAX device with a registered page goes: up to where its memory is unmapped. v6.1 registers no such page. */
const unbindDevdax: Workload = (run, { release }) => {
  const { k } = run;
  const first = toPfn(0x70600);
  const inode = run.do(createDevDax(k, "dax2.0", 512, 512, first));
  const p = run.make(() => createProcess(k, "p", 512));
  k.current.mm = p;
  run.do(mapFile(k, p, inode, 0, 512));
  run.do(k.touch(p, 0, true));
  run.look("mapped", first);
  if (release !== "v6.1") register(run, 1);
  run.do(k.kill_dev_dax(inode));
};

/** By the first part of a recording's name. */
export const workloads: Readonly<Record<string, Workload>> = {
  touch,
  "touch-stack": touch,
  hole,
  pmd,
  odirect_read: odirectRead,
  punch_pinned: punchPinned,
  "punch_pinned-stack": punchPinned,
  punch_refault: punchRefault,
  vmsplice_munmap: vmsplice(true),
  vmsplice_punch: vmsplice(false),
  reflink,
  devdax,
  unbind,
  unbind_devdax: unbindDevdax,
};
