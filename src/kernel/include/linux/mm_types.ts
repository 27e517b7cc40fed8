// struct page, folio, mm_struct and vm_area_struct, as cells. Source: include/linux/mm_types.h.
import { hex, type Pfn, pfn as toPfn } from "../../../base/brand.ts";
import { type Cell, cell, ghostCell, modelled } from "../../../explore/access.ts";
import { identity, type Modelled } from "../../../explore/value.ts";
import { newRwsem, type Rwsem } from "../../kernel/locking/rwsem.ts";
import { newSpinlock, type Spinlock } from "../../kernel/locking/spinlock.ts";
import type { AddressSpace, Inode } from "./fs.ts";
import type { DevPagemap } from "./memremap.ts";
import { PG_reserved } from "./page-flags.ts";
import type { SwpEntry } from "./swapops.ts";

/**
 * Word 0 of struct page: the pgmap, or, in a tail, the head of its folio. Bit 0 tells which. Null for
 * ordinary memory, and while a compound folio is taken apart.
 */
export type Word0 = DevPagemap | { readonly head: Pfn } | null;

/**
 * Word 2 of struct page: `mapping`. In the first tail of a large folio two counts of the folio lie there,
 * and whoever clears the tail's mapping clears them; in other tails it is poisoned.
 */
export type PageMapping =
  | AddressSpace
  | LargeCounts
  | typeof TAIL_MAPPING
  | typeof PAGE_MAPPING_ANON
  | typeof PAGE_MAPPING_DAX_SHARED
  | null;

/** `mapping` of a page that several files share, where the kernel keeps a mark there: no address_space. */
export const PAGE_MAPPING_DAX_SHARED = "shared";

/** What a tail holds in place of a mapping. */
export const TAIL_MAPPING = "TAIL_MAPPING";
/** Stands for the anon_vma of an anonymous page. */
export const PAGE_MAPPING_ANON = "PAGE_MAPPING_ANON";

/** The counts in word 2 of the first tail. `_entire_mapcount` is stored less one; all bits 0 is one mapping. */
export interface LargeCounts {
  readonly _entire_mapcount: number;
  readonly _pincount: number;
  readonly [field: string]: number;
}

/** How a pin was counted when it was taken. */
export interface PinnedAs {
  /** Head of the folio that the page was part of, by its page frame number. */
  readonly head: Pfn;
  /** In the `_pincount` of a large folio; else as references of a page of its own. */
  readonly apart: boolean;
  readonly [field: string]: number | boolean;
}

/** struct page. The cells are its words; all but the counts belong to whoever holds the entry lock. */
export interface Page extends Modelled {
  readonly pfn: Pfn;
  /** The zone that the flags name: device memory, or ordinary memory. Never changes. */
  readonly zone: "ZONE_DEVICE" | "ZONE_NORMAL";
  /** Flags, as a sum of PG_* bits. */
  readonly flags: Cell<number>;
  /** Word 0: pgmap, or compound_head. */
  readonly pgmap: Cell<Word0>;
  /** Word 2: the file, if one has the page. */
  readonly mapping: Cell<PageMapping>;
  /** Word 3: index in the file, or `share`. */
  readonly index: Cell<number>;
  /** Page-table entries that map this page alone, less one: -1 is none. */
  readonly _mapcount: Cell<number>;
  /** References. A pin of a page of its own counts as GUP_PIN_COUNTING_BIAS of them, 1024. */
  readonly _refcount: Cell<number>;
  /** In the first tail, low bits of its flags word: the order of the folio. */
  readonly order: Cell<number>;
  /** In the first tail, word 1: page-table entries of any size that map the folio, less one. */
  readonly _large_mapcount: Cell<number>;
  /** memcg_data: pages of the folio that are charged to a control group. Of device memory only what is anonymous is. */
  readonly memcg_data: Cell<number>;
  /** Ghost state: who holds a pin; a name for each. */
  readonly heldPins: Cell<readonly string[]>;
  /** Ghost state: who holds a reference from FOLL_GET; a name for each. */
  readonly heldGets: Cell<readonly string[]>;
  /** Ghost state: how each pin of `heldPins` was counted, in the same order. */
  readonly pinnedAs: Cell<readonly PinnedAs[]>;
  /** Ghost state: how often the page was pinned for long. */
  readonly longtermPins: Cell<number>;
  /** Ghost state: who took the folio of the page away from its last file, while no file has it; else null. */
  readonly takenAwayBy: Cell<string | null>;
  /** Ghost state: who first took word 0 for a pgmap where it was none, in one sentence; or null. */
  readonly misread: Cell<string | null>;
  /** Ghost state: the files that the block behind the page belongs to, joined by " and ", or "free". */
  readonly block_owner: Cell<string>;
  /** Ghost state: stores to the page are in the CPU's caches; a power cut loses them. */
  readonly unflushed: Cell<boolean>;
  /** Ghost state: its memory has gone bad, and memory failure has said that it is dealt with. */
  readonly failed: Cell<boolean>;
  /** The page seen as a folio. */
  readonly folio: Folio;
}

/** struct folio: a page that is no tail. The counts of a large folio lie in its first tail. */
export interface Folio extends Modelled {
  readonly page: Page;
  readonly flags: Cell<number>;
  readonly _refcount: Cell<number>;
  readonly _mapcount: Cell<number>;
  readonly mapping: Cell<PageMapping>;
  readonly index: Cell<number>;
  readonly pgmap: Cell<Word0>;
}

/** An entry that maps memory, at any level of the page table. `null` is none. */
export interface Pte {
  /** The level, and with it the size. */
  readonly kind: "pte" | "pmd" | "pud";
  /** First page frame. */
  readonly pfn: Pfn;
  /** The program may store through it. */
  readonly write: boolean;
  /** It has stored through it since the bit was last cleared. */
  readonly dirty: boolean;
  /** No struct page is to be looked up for counting. */
  readonly special: boolean;
  /** Memory of a device, of which GUP looks for the pgmap. */
  readonly devmap: boolean;
  readonly [field: string]: string | number | boolean;
}

/** An entry of an upper level: maps memory itself, or leads to a table of the level below. */
export type UpperEntry = Pte | typeof TABLE | null;
export const TABLE = "table";

/** An entry of the lowest level: maps a page, or says where it is to be had from. */
export type LowerEntry = Pte | SwpEntry | null;

/** struct mm_struct. */
export interface MmStruct extends Modelled {
  readonly name: string;
  readonly mmap_lock: Rwsem;
  /** The lowest level of the page table: the entry of each virtual page number. */
  readonly page_table: readonly Cell<LowerEntry>[];
  /** The level above, by virtual page number / PTRS_PER_PTE. Only where a PMD entry has room. */
  readonly pmds: readonly Cell<UpperEntry>[];
  /** The level above that. Only where a PUD entry has room. */
  readonly puds: readonly Cell<UpperEntry>[];
  /** The lock of each table of the lowest level, in the order of `pmds`, and one for the rest. */
  readonly ptls: readonly Spinlock[];
  /** The lock of the tables above. */
  readonly pmd_lock: Spinlock;
  /** Pages of files that are mapped and counted. Changed under page-table locks. */
  readonly rss_file: Cell<number>;
  /** The same of anonymous pages. */
  readonly rss_anon: Cell<number>;
  /** Odd while fork() copies the page table: no pins without locks meanwhile. */
  readonly write_protect_seq: Cell<number>;
  /** The mappings there are. */
  readonly mm_mt: Cell<readonly VmArea[]>;
  /** Those that setup has made, whether they are there or not. */
  readonly vmas: VmArea[];
  /** Zaps under way: those that find nothing to clear flush all the same, if there is another. */
  readonly tlb_flush_pending: Cell<number>;
  /** The cached translations of CPUs that run the process, as far as the scenario looks at them: none, if not made. */
  readonly tlbs: Cell<Pte | null>[];
  /** The processes that setup has made to be its children, once it forks, and their copies of its mappings. */
  readonly children: { readonly mm: MmStruct; readonly vmas: ReadonlyMap<VmArea, VmArea> }[];
}

/** vm_flags. */
export const VM_WRITE = 1 << 1;
/**
 * MAP_SHARED: the kernel's VM_MAYSHARE. Of a file that was opened for reading only, do_mmap() takes VM_SHARED and
 * VM_MAYWRITE away again; here that is a mapping with VM_SHARED and without VM_WRITE, as of a file that may be written to.
 * Neither is a COW mapping. One without VM_SHARED always is: a private mapping has VM_MAYWRITE, whatever its file.
 */
export const VM_SHARED = 1 << 3;
export const VM_HUGEPAGE = 1 << 4;
export const VM_NOHUGEPAGE = 1 << 5;
export const VM_MIXEDMAP = 1 << 6;
/**
 * MAP_SYNC, with MAP_SHARED_VALIDATE: a write fault returns only when the metadata of the file is durable. Not for fuse.
 */
export const VM_SYNC = 1 << 7;

/** struct vm_area_struct: a mapping of a file, or what the unmapping of a part has left of one. */
export interface VmArea extends Modelled {
  readonly vm_mm: MmStruct;
  /** A sum of VM_* bits. */
  readonly vm_flags: number;
  /** Where the parts of the mapping begin that have an anon_vma: private pages of their own. */
  readonly anon_vma: Cell<readonly number[]>;
  /** First virtual page number. */
  readonly vm_start: number;
  /** How many pages. */
  readonly vm_pages: number;
  /** Page of the file that the first page maps. */
  readonly vm_pgoff: number;
  readonly vm_file: Inode;
  /** Ours: the mapping that setup made, of which this is a part, or all. */
  readonly whole: VmArea;
}

/**
 * Makes the struct page of one page: of device memory if it has a pgmap.
 *
 * @param owner Whose the memory is: of nobody, if a file system is to hand it out.
 */
export function newPage(pfn: Pfn, pgmap: DevPagemap | null, refcount: number, owner: string = "free"): Page {
  const name = `page[${hex(pfn)}]`;
  const words = {
    flags: cell(`${name}.flags`, pgmap === null ? 0 : PG_reserved),
    pgmap: cell<Word0>(`${name}.pgmap`, pgmap),
    mapping: cell<PageMapping>(`${name}.mapping`, null),
    index: cell(`${name}.index`, 0),
    _mapcount: cell(`${name}._mapcount`, -1),
    _refcount: cell(`${name}._refcount`, refcount),
  };
  const page = modelled("page", {
    pfn,
    zone: pgmap === null ? "ZONE_NORMAL" : "ZONE_DEVICE",
    ...words,
    order: cell(`${name}.order`, 0),
    _large_mapcount: cell(`${name}._large_mapcount`, 0),
    memcg_data: cell(`${name}.memcg_data`, 0),
    heldPins: ghostCell<readonly string[]>(`${name}.heldPins`, []),
    heldGets: ghostCell<readonly string[]>(`${name}.heldGets`, []),
    pinnedAs: ghostCell<readonly PinnedAs[]>(`${name}.pinnedAs`, []),
    longtermPins: ghostCell(`${name}.longtermPins`, 0),
    takenAwayBy: ghostCell<string | null>(`${name}.takenAwayBy`, null),
    misread: ghostCell<string | null>(`${name}.misread`, null),
    block_owner: ghostCell(`${name}.block_owner`, owner),
    unflushed: ghostCell(`${name}.unflushed`, false),
    failed: ghostCell(`${name}.failed`, false),
  }) as Omit<Page, "folio"> & { folio?: Folio };
  page.folio = modelled("folio", { page: page as Page, ...words });
  return page as Page;
}

/** A page that is read where a file has a hole. Ordinary memory, never freed. */
export const newZeroPage = (pfn: number): Page => newPage(toPfn(pfn), null, 1);

/** How many entries a table has at each level. A machine has 512; searches do with fewer. */
export interface Geometry {
  readonly PTRS_PER_PTE: number;
  readonly PTRS_PER_PMD: number;
}

/** Makes a process with `pages` virtual pages, and the tables for them. */
export function newMm(name: string, pages: number, geometry: Geometry): MmStruct {
  const { PTRS_PER_PTE, PTRS_PER_PMD } = geometry;
  const pmds = Math.floor(pages / PTRS_PER_PTE);
  const puds = Math.floor(pages / (PTRS_PER_PTE * PTRS_PER_PMD));
  const upper = (level: string, n: number) =>
    Array.from({ length: n }, (_, i) => cell<UpperEntry>(`${name}.${level}[${i}]`, null));
  return modelled("mm", {
    name,
    mmap_lock: newRwsem(`${name}.mmap_lock`),
    page_table: Array.from({ length: pages }, (_, i) => cell<LowerEntry>(`${name}.pte[${i}]`, null)),
    pmds: upper("pmd", pmds),
    puds: upper("pud", puds),
    ptls: Array.from({ length: Math.ceil(pages / PTRS_PER_PTE) }, (_, i) =>
      newSpinlock(`${name}.ptl${i === 0 ? "" : `[${i}]`}`),
    ),
    pmd_lock: newSpinlock(`${name}.pmd_lock`),
    rss_file: cell(`${name}.rss_file`, 0),
    rss_anon: cell(`${name}.rss_anon`, 0),
    write_protect_seq: cell(`${name}.write_protect_seq`, 0),
    mm_mt: cell<readonly VmArea[]>(`${name}.mm_mt`, []),
    vmas: [],
    tlb_flush_pending: cell(`${name}.tlb_flush_pending`, 0),
    tlbs: [],
    children: [],
  });
}

/** Makes a mapping, for mmap(). */
export function newVma(
  vm_mm: MmStruct,
  parts: Pick<VmArea, "vm_flags" | "vm_start" | "vm_pages" | "vm_pgoff" | "vm_file">,
  anon_vma = false,
): VmArea {
  const vma = modelled("vma", {
    ...parts,
    vm_mm,
    anon_vma: cell<readonly number[]>(
      `${vm_mm.name}.anon_vma[${parts.vm_start}]`,
      anon_vma ? [parts.vm_start] : [],
    ),
  }) as Omit<VmArea, "whole"> & { whole?: VmArea };
  vma.whole = vma as VmArea;
  vm_mm.vmas.push(vma as VmArea);
  return vma as VmArea;
}

/** Does a mapping reach into a range of virtual pages, from `first` to before `end`? */
export const overlaps = ({ vm_start, vm_pages }: VmArea, first: number, end: number): boolean =>
  vm_start < end && first < vm_start + vm_pages;

/**
 * A part of a mapping, from virtual page `first` to before `end`. It is known by the mapping that setup made, and by
 * its place, so that threads can make one.
 */
export function partOfVma({ whole }: VmArea, first: number, end: number): VmArea {
  const { vm_start, vm_pages, vm_pgoff } = whole;
  if (first === vm_start && end === vm_start + vm_pages) return whole;
  return {
    ...whole,
    [identity]: `${whole[identity]}:${first}-${end}`,
    vm_start: first,
    vm_pages: end - first,
    vm_pgoff: vm_pgoff + first - vm_start,
  };
}
