// The programs that every comparison runs: one small workload for each operation and for each way in
// which a page's life is known to go wrong. Random programs find what nobody thought of; these name
// what somebody did.
import type { Operation, Program } from "./program.ts";

const map = (pages: number, proc = 0, m = 0, shared = true): Operation => ({
  op: "mmap",
  proc,
  map: m,
  file: 0,
  page: 0,
  pages,
  shared,
  writable: true,
});
const ownMap = (pages: number): Operation => map(pages, 0, 0, false);
const unmap = (pages: number, proc = 0, m = 0): Operation => ({ op: "munmap", proc, map: m, page: 0, pages });
const touch = (page: number, write = true, proc = 0, m = 0): Operation => ({
  op: "touch",
  proc,
  map: m,
  page,
  write,
});
const pin = (
  page: number,
  pages = 1,
  how: "odirect" | "vmsplice" | "io_uring" = "odirect",
  write = false,
  id = 0,
): Operation => ({
  op: "pin",
  proc: 0,
  pin: id,
  map: 0,
  page,
  pages,
  how,
  write,
});
const unpin = (id = 0): Operation => ({ op: "unpin", proc: 0, pin: id });
const punch = (page: number, pages = 1): Operation => ({ op: "punch", proc: 4, file: 0, page, pages });
const truncate = (size: number, proc = 4): Operation => ({ op: "truncate", proc, file: 0, size });
const fork = (child: number): Operation => ({ op: "fork", proc: 0, child });
const exit = (proc: number): Operation => ({ op: "exit", proc });
const mlock = (pages: number): Operation => ({ op: "mlock", proc: 0, map: 0, page: 0, pages });
const dontneed = (page: number, pages = 1): Operation => ({ op: "dontneed", proc: 0, map: 0, page, pages });
const poison = (page: number): Operation => ({ op: "poison", proc: 0, map: 0, page });
const umount = (proc = 4): Operation => ({ op: "umount", proc });
const mount = (proc = 5): Operation => ({ op: "mount", proc });

const reflink: Operation = { op: "reflink", proc: 4, file: 1, from: 0 };
/** The second file. */
const map2: Operation = {
  op: "mmap",
  proc: 0,
  map: 1,
  file: 1,
  page: 0,
  pages: 2,
  shared: true,
  writable: true,
};

/** Pages of a file that a PMD can map. */
const HUGE = 512;

interface Workload {
  readonly pages: number;
  /** How many of them have a block; all, if not given. */
  readonly allocated?: number;
  /** XFS alone can do it, with a second file, which is empty. */
  readonly reflink?: boolean;
  readonly ops: readonly Operation[];
}

const workloads: Readonly<Record<string, Workload>> = {
  "touch-munmap": { pages: 4, ops: [map(4), touch(0), touch(1, false), unmap(4)] },
  "two-mappings": {
    pages: 2,
    ops: [map(2), map(2, 0, 1), touch(0), touch(0, false, 0, 1), unmap(2, 0, 1), unmap(2)],
  },
  "fork-faults-again": {
    pages: 2,
    ops: [map(2), touch(0), fork(2), touch(0, true, 2), exit(2), unmap(2)],
  },
  "hole-then-block": { pages: 4, allocated: 0, ops: [map(4), touch(0, false), touch(0), touch(1), unmap(4)] },
  "pin-odirect": { pages: 4, ops: [map(4), touch(0), pin(0, 2), unmap(4), unpin()] },
  "pin-for-writing": { pages: 4, ops: [map(4), pin(0, 2, "odirect", true), unpin(), unmap(4)] },
  "pin-for-long": { pages: 2, ops: [map(2), touch(0), pin(0, 1, "io_uring"), unpin()] },
  "get-by-vmsplice": { pages: 2, ops: [map(2), touch(0), pin(0, 1, "vmsplice"), unmap(2), unpin()] },
  "beyond-the-end": { pages: 4, ops: [map(4), touch(3), truncate(2), touch(3), touch(1), pin(3), unmap(4)] },
  "unpin-vs-punch-hole": { pages: 2, ops: [map(2), touch(0), pin(0), punch(0), unpin(), touch(0)] },
  "get-vs-punch-hole": { pages: 2, ops: [map(2), touch(0), pin(0, 1, "vmsplice"), punch(0), unpin()] },
  "truncate-vs-pin": {
    pages: 2,
    ops: [map(2), touch(0), pin(0), truncate(0), unpin(), truncate(2), touch(1)],
  },
  "refault-during-wait": { pages: 2, ops: [map(2), touch(0), pin(0), punch(0), touch(0), unpin(), unmap(2)] },
  "pinned-unmapped-truncate": { pages: 2, ops: [map(2), touch(0), pin(0), unmap(2), truncate(0), unpin()] },
  "pinned-unmapped-punch": {
    pages: 2,
    ops: [map(2), touch(0), pin(0, 1, "vmsplice"), unmap(2), punch(0), unpin()],
  },
  "two-pins-one-page": {
    pages: 2,
    ops: [map(2), touch(0), pin(0), pin(0, 2, "odirect", true, 1), punch(0, 2), unpin(0), unpin(1), unmap(2)],
  },
  "mlock-vs-punch-hole": { pages: 4, allocated: 2, ops: [map(4), mlock(4), punch(0, 2), touch(1), unmap(4)] },
  "private-copy": {
    pages: 3,
    ops: [
      ownMap(3),
      touch(0, false),
      touch(0),
      touch(1),
      touch(2, false),
      fork(2),
      touch(2, true, 2),
      exit(2),
    ],
  },
  "private-copy-stays": {
    pages: 3,
    ops: [
      ownMap(3),
      touch(0),
      touch(1, false),
      punch(0, 2),
      touch(0, false),
      touch(1, false),
      truncate(0),
      touch(0),
    ],
  },
  "private-pin-vs-fork": {
    pages: 2,
    ops: [ownMap(2), pin(0, 2, "odirect", true), fork(2), unpin(), exit(2)],
  },
  "private-copy-outlives-truncate": { pages: 3, ops: [ownMap(3), touch(0), truncate(2), touch(0, false)] },
  "private-mlock": { pages: 2, ops: [ownMap(2), mlock(2), punch(0, 2), unmap(2)] },
  "huge-mapping": {
    pages: HUGE,
    ops: [map(HUGE), touch(3), map(HUGE, 0, 1), touch(0, false, 0, 1), pin(1, 2), unpin(), unmap(HUGE, 0, 1)],
  },
  "huge-split": {
    pages: HUGE,
    ops: [map(HUGE), touch(0), dontneed(7), touch(7), dontneed(0, HUGE), touch(1)],
  },
  "huge-private": { pages: HUGE, ops: [ownMap(HUGE), touch(2, false), touch(3), fork(2), exit(2)] },
  "huge-pin-vs-punch-hole": {
    pages: HUGE,
    ops: [map(HUGE), touch(0), pin(5), punch(0, HUGE), unpin(), touch(0)],
  },
  "huge-punch-of-one-page": {
    pages: HUGE,
    ops: [map(HUGE), touch(0), punch(5), touch(6), touch(5), unmap(HUGE)],
  },
  "huge-truncate": {
    pages: HUGE,
    ops: [map(HUGE), touch(0), truncate(100), touch(99), touch(100), truncate(HUGE)],
  },
  "huge-hole": { pages: HUGE, allocated: 0, ops: [map(HUGE), touch(9, false), touch(9), unmap(HUGE)] },
  poison: { pages: 2, ops: [map(2), touch(0), poison(0), touch(0), pin(0), unpin(), punch(0)] },
  "poison-of-pinned-page": {
    pages: 2,
    ops: [map(2), map(2, 1), touch(0), touch(0, true, 1), pin(0), poison(0), unpin(), unmap(2)],
  },
  "huge-poison": { pages: HUGE, ops: [map(HUGE), touch(0), poison(4), touch(4), unmap(HUGE)] },
  umount: {
    pages: 2,
    ops: [map(2), touch(0), umount(), unmap(2), umount(), truncate(1), mount(), truncate(1)],
  },
  "reflink-then-read": {
    pages: 2,
    reflink: true,
    ops: [map(2), reflink, touch(0, false), map2, touch(0, false, 0, 1), touch(1, true, 0, 1), punch(0, 2)],
  },
  "umount-vs-pin": {
    pages: 2,
    ops: [map(2), touch(0), pin(0), unmap(2), umount(), unpin(), mount(), map(2), touch(0)],
  },
  "truncate-after-umount": {
    pages: 2,
    ops: [map(2), touch(0), pin(0), unmap(2), umount(), mount(), truncate(0, 6), unpin(), truncate(0)],
  },
};

/** Each workload on each file system that can run it. */
export const fixedPrograms: readonly Program[] = (["ext4", "xfs"] as const).flatMap((fs) =>
  Object.entries(workloads).flatMap(
    ([name, { pages, allocated = pages, reflink = false, ops }]): Program[] => {
      if (reflink && fs !== "xfs") return [];
      const file = { pages, allocated, huge: pages >= HUGE, watch: 0 };
      const files = reflink ? [file, { ...file, allocated: 0 }] : [file];
      return [{ name: `${name}.${fs}`, fs, files, ops: [...ops] }];
    },
  ),
);
