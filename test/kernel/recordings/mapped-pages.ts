// Recorded workloads that map pages, and unmap them.
import type { Pfn } from "../../../src/base/brand.ts";
import { pfn as toPfn } from "../../../src/base/brand.ts";
import { FALLOC_FL_PUNCH_HOLE, type Inode } from "../../../src/kernel/include/linux/fs.ts";
import { createFile, createProcess, mapFile, mountDax } from "../../../src/kernel/setup.ts";
import { FIRST_BLOCK, fail, SMALL, unlink, type Workload, writtenFile } from "./workload.ts";

export const touch: Workload = (run, { fs }) => {
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
export const hole: Workload = (run, { fs }) => {
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

/** Two PMD entries, a second mapping of the first, one page of it unmapped, two touched again, all unmapped. */
export const pmd: Workload = (run, { fs }) => {
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

/** Three files share their blocks; each is mapped, and two of them are written to. */
export const reflink: Workload = (run, { fs }) => {
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

/** A file system whose device goes: up to there. */
export const unbind: Workload = (run, { fs }) => {
  const { first } = writtenFile(run, fs, 16);
  run.look("mapped", first);
};
