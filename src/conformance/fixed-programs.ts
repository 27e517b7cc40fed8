// The programs that every comparison runs: one small workload for each operation and for each way in
// which a page's life is known to go wrong. Random programs find what nobody thought of; these name
// what somebody did.
import type { Operation, Program } from "./program.ts";

const map = (pages: number, proc = 0, m = 0): Operation => ({
  op: "mmap",
  proc,
  map: m,
  file: 0,
  page: 0,
  pages,
  shared: true,
  writable: true,
});
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
const truncate = (size: number): Operation => ({ op: "truncate", proc: 4, file: 0, size });

const workloads: Readonly<
  Record<string, { readonly pages: number; readonly allocated?: number; readonly ops: readonly Operation[] }>
> = {
  "touch-munmap": { pages: 4, ops: [map(4), touch(0), touch(1, false), unmap(4)] },
  "two-mappings": {
    pages: 2,
    ops: [map(2), map(2, 0, 1), touch(0), touch(0, false, 0, 1), unmap(2, 0, 1), unmap(2)],
  },
  "fork-faults-again": {
    pages: 2,
    ops: [
      map(2),
      touch(0),
      { op: "fork", proc: 0, child: 2 },
      touch(0, true, 2),
      { op: "exit", proc: 2 },
      unmap(2),
    ],
  },
  "hole-then-block": { pages: 4, allocated: 0, ops: [map(4), touch(0, false), touch(0), touch(1), unmap(4)] },
  "pin-odirect": { pages: 4, ops: [map(4), touch(0), pin(0, 2), unmap(4), unpin()] },
  "pin-for-writing": { pages: 4, ops: [map(4), pin(0, 2, "odirect", true), unpin(), unmap(4)] },
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
};

/** Each workload on each file system. */
export const fixedPrograms: readonly Program[] = (["ext4", "xfs"] as const).flatMap((fs) =>
  Object.entries(workloads).map(
    ([name, { pages, allocated, ops }]): Program => ({
      name: `${name}.${fs}`,
      fs,
      files: [{ pages, allocated: allocated ?? pages, huge: false, watch: 0 }],
      ops: [...ops],
    }),
  ),
);
