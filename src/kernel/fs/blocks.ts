// Blocks of a file system, and ghost state that says which files have them. The three file systems
// allocate and free alike here: one block is one page, the lowest free block is taken, and what is
// freed can be taken at once (there is no journal to commit).

import { hex, type Pfn } from "../../base/brand.ts";
import { requireUse } from "../../base/errors.ts";
import { type Cell, type Code, rmw } from "../../explore/access.ts";
import type { Inode } from "../include/linux/fs.ts";
import { pfn_to_page } from "../include/linux/mm.ts";
import type { Kernel } from "../kernel.ts";
import { READ_ONCE } from "../lib/atomic.ts";

export const FREE = "free";
const AND = " and ";

/** Ghost state: a file more, or one less, has the block. */
export const withOwner = (owners: string, name: string): string =>
  owners === FREE ? name : [...owners.split(AND), name].sort().join(AND);

function withoutOwner(owners: string, name: string): string {
  const left = owners.split(AND);
  left.splice(left.indexOf(name), 1);
  return left.length === 0 ? FREE : left.join(AND);
}

/** The end of a range of a file, or where the block map ends: a hole may be punched beyond the end of the file. */
export const endOfBlocks = (inode: Inode, end: number): number => Math.min(end, inode.i_data.length);

/** The place in the block map of a file. */
export function extentOf(inode: Inode, index: number): Cell<Pfn | null> {
  const extent = inode.i_data[index];
  requireUse(extent, `file ${inode.name} has no page ${index}`);
  return extent;
}

/** The block of a place in a file, and whether the file has it just now. */
export interface Taken {
  readonly block: Pfn;
  readonly fresh: boolean;
  readonly [field: string]: number | boolean;
}

/**
 * Gives a hole of a file the lowest free block, unless somebody was faster: then the file has the block of the other.
 * To look again and to take are one step, which also notes that the block map has changed.
 *
 * @returns null if there is no block left.
 */
export function* takeBlock(k: Kernel, inode: Inode, extent: Cell<Pfn | null>): Code<Taken | null> {
  const { free_blocks } = inode.i_sb;
  const { i_dirty, name } = inode;
  for (;;) {
    const [there, block] = yield* rmw([free_blocks, extent], (pool: readonly Pfn[], old: Pfn | null) => ({
      next: [pool, old],
      result: [old, pool[0] ?? null] as const,
    }));
    if (there !== null) return { block: there, fresh: false };
    if (block === null) return null;
    const { block_owner } = pfn_to_page(k, block);
    const taken = yield* rmw(
      [free_blocks, extent, i_dirty, block_owner],
      (pool: readonly Pfn[], old: Pfn | null, dirty: boolean, owners: string) =>
        old === null && pool.includes(block)
          ? { next: [pool.filter((b) => b !== block), block, true, withOwner(owners, name)], result: true }
          : { next: [pool, old, dirty, owners], result: false },
      { note: { quiet: true } },
    );
    if (taken) return { block, fresh: true };
  }
}

/**
 * Gives blocks to the hole with which a range begins, in one step: the lowest that are free.
 *
 * @param aligned If the hole fills the range, rather a run of blocks that is aligned to it, if there is one.
 */
export function* fillHole(
  k: Kernel,
  inode: Inode,
  extents: readonly Cell<Pfn | null>[],
  aligned: boolean,
): Code {
  const { free_blocks } = inode.i_sb;
  const { i_dirty, name } = inode;
  const n = extents.length;
  for (;;) {
    const [blocks, free] = yield* rmw(
      [free_blocks, ...extents],
      (pool: readonly Pfn[], ...old: (Pfn | null)[]) => ({
        next: [pool, ...old],
        result: [old, pool] as const,
      }),
    );
    const end = blocks.findIndex((b) => b !== null);
    const hole = end < 0 ? n : end;
    const from =
      hole < n || !aligned ? -1 : free.findIndex((b, i) => b % n === 0 && free[i + n - 1] === b + n - 1);
    const taken = free.slice(Math.max(from, 0), Math.max(from, 0) + hole);
    if (taken.length === 0) return;
    const places = extents.slice(0, taken.length);
    const owners = taken.map((b) => pfn_to_page(k, b).block_owner);
    const filled = yield* rmw(
      [free_blocks, i_dirty, ...places, ...owners],
      (pool: readonly Pfn[], dirty: boolean, ...old: (Pfn | string | null)[]) =>
        taken.every((b) => pool.includes(b)) && old.slice(0, taken.length).every((b) => b === null)
          ? {
              next: [pool.filter((b) => !taken.includes(b)), true, ...taken, ...owners.map(() => name)],
              result: true,
            }
          : { next: [pool, dirty, ...old], result: false },
    );
    if (filled) return;
  }
}

/** Takes the block of a place in a file away. If no other file shares it, it is free from here on. */
export function* dropBlock(k: Kernel, inode: Inode, extent: Cell<Pfn | null>): Code {
  const { free_blocks, refcountbt } = inode.i_sb;
  const { name } = inode;
  for (;;) {
    const block = yield* READ_ONCE(extent);
    if (block === null) return;
    const { block_owner } = pfn_to_page(k, block);
    const left = yield* rmw(
      [free_blocks, refcountbt, extent, block_owner],
      (free: readonly Pfn[], shared: readonly Pfn[], old: Pfn | null, owners: string) =>
        old === block
          ? {
              next: [...givenBack(free, shared, block), null, withoutOwner(owners, name)],
              result: shared.includes(block) ? "shared" : "free",
            }
          : { next: [free, shared, old, owners], result: null },
      { note: { text: (result) => (result === "free" ? `frees the block of pfn ${hex(block)}` : "") } },
    );
    if (left !== null) return;
  }
}

/** The free and the shared blocks after a file has given one back. */
export function givenBack(
  free: readonly Pfn[],
  shared: readonly Pfn[],
  block: Pfn,
): [readonly Pfn[], readonly Pfn[]] {
  const at = shared.indexOf(block);
  if (at >= 0) return [free, shared.filter((_, i) => i !== at)];
  const next = free.findIndex((b) => b > block);
  return [free.toSpliced(next < 0 ? free.length : next, 0, block), shared];
}

/** Lets a file share the block of another. */
export function* shareBlock(k: Kernel, inode: Inode, extent: Cell<Pfn | null>, block: Pfn): Code {
  const { refcountbt } = inode.i_sb;
  const { block_owner } = pfn_to_page(k, block);
  const { name } = inode;
  yield* rmw(
    [refcountbt, extent, block_owner],
    (shared: readonly Pfn[], _old: Pfn | null, owners: string) => ({
      next: [[...shared, block].sort((a, b) => a - b), block, withOwner(owners, name)],
      result: null,
    }),
    { note: { text: () => `shares the block of pfn ${hex(block)}` } },
  );
}

/** Lets a copy take the place of a block, if there is a copy: the end of copy-on-write. */
export function* replaceBlock(
  k: Kernel,
  inode: Inode,
  extent: Cell<Pfn | null>,
  copy: Cell<Pfn | null>,
): Code {
  const { free_blocks, refcountbt } = inode.i_sb;
  const { i_dirty, name } = inode;
  for (;;) {
    const [was, made] = yield* rmw([extent, copy], (old: Pfn | null, block: Pfn | null) => ({
      next: [old, block],
      result: [old, block] as const,
    }));
    if (made === null) return;
    const owner = was === null ? [] : [pfn_to_page(k, was).block_owner];
    const left = yield* rmw(
      [free_blocks, refcountbt, extent, copy, i_dirty, ...owner],
      (
        free: readonly Pfn[],
        shared: readonly Pfn[],
        old: Pfn | null,
        block: Pfn | null,
        dirty: boolean,
        ...owners: string[]
      ) =>
        old === was && block === made
          ? {
              next: [
                ...(was === null ? [free, shared] : givenBack(free, shared, was)),
                made,
                null,
                true,
                ...owners.map((o) => withoutOwner(o, name)),
              ],
              result: was === null || shared.includes(was) ? "shared" : "free",
            }
          : { next: [free, shared, old, block, dirty, ...owners], result: null },
      {
        note: {
          text: (result) => (result === "free" && was !== null ? `frees the block of pfn ${hex(was)}` : ""),
        },
      },
    );
    if (left !== null) return;
  }
}
