// Rules about files: their blocks, their entries, and what of them is mapped.
import { hex } from "../../base/brand.ts";
import type { See } from "../../explore/access.ts";
import { headOf, mappersOf, mappings, maps, memoryType } from "../counts.ts";
import type { DaxEntry } from "../include/linux/dax.ts";
import type { Inode } from "../include/linux/fs.ts";
import { MEMORY_DEVICE_FS_DAX } from "../include/linux/memremap.ts";
import { PAGE_MAPPING_DAX_SHARED, type Page, VM_SHARED } from "../include/linux/mm_types.ts";
import { pmdPages, pmdStart } from "../include/linux/pgtable.ts";
import type { Kernel } from "../kernel.ts";

import { firstBroken, type KernelInvariant } from "./rule.ts";

/** I6: nobody holds a page whose block the file system has freed: DMA would reach another file. */
export const noPinOnFreeBlock: KernelInvariant = {
  name: "no-pin-on-free-block",
  check: (k, see) =>
    firstBroken(k, (page) => {
      const holders = [...see(page.heldPins), ...see(page.heldGets)];
      return holders.length > 0 && see(page.block_owner) === "free"
        ? `the block of pfn ${hex(page.pfn)} is free, but ${holders.join(" and ")} still uses the page`
        : null;
    }),
};

/** I6: no page table maps a page whose block the file system has freed. */
export const noMappingOfFreeBlock: KernelInvariant = {
  name: "no-mapping-of-free-block",
  check: (k, see) =>
    firstBroken(k, (page) => {
      const by = mappersOf(k, see, page);
      return by.length > 0 && see(page.block_owner) === "free"
        ? `the block of pfn ${hex(page.pfn)} is free, but ${by.join(", ")} maps it`
        : null;
    }),
};

/** I6: no store through a translation that a CPU still has cached reaches a block that is another's by now, or free. */
export const noStoreToForeignBlock: KernelInvariant = {
  name: "no-store-to-foreign-block",
  check: (k, see) => see(k.world.foreign_store),
};

/** I6: nobody can store through a mapping to a block that several files have: what one writes, another would read. */
export const sharedBlockIsNotWritable: KernelInvariant = {
  name: "shared-block-is-not-writable",
  check: (k, see) => {
    const all = mappings(k, see).filter(({ entry }) => entry.write);
    return firstBroken(k, (page) => {
      const owner = see(page.block_owner);
      const by = all.find((m) => maps(m, page));
      return by !== undefined && owner.includes(" and ")
        ? `${by.mm.name}[${by.address}] maps pfn ${hex(page.pfn)} to be written to, and ${owner} have the block`
        : null;
    });
  },
};

/** Every page of every file: its place in the page cache and in the block map. */
function* filePages(k: Kernel): Iterable<{ inode: Inode; index: number }> {
  for (const sb of k.world.super_blocks) {
    for (const inode of sb.s_inodes) {
      for (let index = 0; index < inode.i_data.length; index++) yield { inode, index };
    }
  }
}

/** Does an entry stand for a page? */
const entryMaps = (k: Kernel, entry: DaxEntry, page: Page): boolean =>
  entry.pfn <= page.pfn && page.pfn < entry.pfn + (entry.pmd ? pmdPages(k) : 1);

/** How many entries of the page cache the words of a page say that it has. */
function associations(see: See, page: Page): number {
  const mapping = see(page.mapping);
  return mapping === null || mapping === PAGE_MAPPING_DAX_SHARED ? see(page.index) : 1;
}

/** I6: what a shared mapping shows of a page of a file is the block that the file has there. */
export const mappingShowsBlockOfFile: KernelInvariant = {
  name: "mapping-shows-block-of-file",
  at: "end",
  check: (k, see) => {
    for (const mm of k.world.mms) {
      for (const { vm_flags, vm_start, vm_pages, vm_pgoff, vm_file } of see(mm.mm_mt)) {
        if (!(vm_flags & VM_SHARED) || !vm_file.is_fsdax) continue;
        for (let i = 0; i < vm_pages; i++) {
          const ptep = mm.page_table[vm_start + i];
          const extent = vm_file.i_data[vm_pgoff + i];
          const pte = ptep === undefined ? null : see(ptep);
          const block = extent === undefined ? null : see(extent);
          if (pte === null || pte.pfn === (block ?? k.world.zero_page.pfn)) continue;
          const has = block === null ? "a hole" : `pfn ${hex(block)}`;
          return `${mm.name}[${vm_start + i}] maps pfn ${hex(pte.pfn)}, but ${vm_file.name} has ${has} there`;
        }
      }
    }
    return null;
  },
};

/** I18: a page says of itself how many entries there are for it: none, that of one file, or a number. */
export const associationsCountEntries: KernelInvariant = {
  name: "associations-count-entries",
  at: "end",
  check: (k, see) => {
    const entries = [...filePages(k)].map(({ inode, index }) => {
      const cell = inode.i_mapping.i_pages[index];
      return cell === undefined ? null : see(cell);
    });
    return firstBroken(k, (page) => {
      // Of a large folio, the head speaks for all.
      if (headOf(k, see, page) !== page || memoryType(k, see, page) !== MEMORY_DEVICE_FS_DAX) return null;
      const there = entries.filter((e) => e?.kind === "normal" && entryMaps(k, e, page)).length;
      const said = associations(see, page);
      return there === said
        ? null
        : `pfn ${hex(page.pfn)} says that ${said} entries are for it, but there are ${there}`;
    });
  },
};

/** I26: what was stored through a mapping is marked dirty until it is flushed; else fsync passes over it. */
export const unflushedPageIsDirty: KernelInvariant = {
  name: "unflushed-page-is-dirty",
  at: "end",
  check: (k, see) => {
    for (const { inode, index } of filePages(k)) {
      const extent = inode.i_data[index];
      const head = pmdStart(k, index);
      const { i_marks, i_pages } = inode.i_mapping;
      // The marks of a PMD entry are at the first of its pages.
      const first = i_pages[head];
      const marks = i_marks[first !== undefined && see(first)?.pmd ? head : index];
      const block = extent === undefined ? null : see(extent);
      const page = block === null ? undefined : k.world.mem_map.get(block);
      if (page === undefined || marks === undefined) continue;
      if (see(page.unflushed) && !see(marks).dirty) {
        return (
          `page ${index} of ${inode.name} (pfn ${hex(page.pfn)}) was stored to and is not flushed, ` +
          "but it is not marked dirty"
        );
      }
    }
    return null;
  },
};

/** I22: when a device has gone, nobody maps its memory any more. */
export const noMappingOfDeadDevice: KernelInvariant = {
  name: "no-mapping-of-dead-device",
  at: "end",
  check: (k, see) => {
    for (const { s_dax_dev } of k.world.super_blocks) {
      if (see(s_dax_dev.alive)) continue;
      for (const pfn of s_dax_dev.pfns) {
        const page = k.world.mem_map.get(pfn);
        const by = page === undefined ? [] : mappersOf(k, see, page);
        if (by.length > 0) return `the device has gone, but ${by.join(", ")} maps its pfn ${hex(pfn)}`;
      }
    }
    return null;
  },
};
