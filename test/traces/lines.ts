// Small recordings written by hand, as ftrace text: one line for each event.

export interface Line {
  readonly comm?: string;
  readonly tid?: number;
  readonly cpu?: number;
  readonly at: number;
  readonly event: string;
}

const BASE = 0xffffea0000000000n;

/** The address of a page's struct page, as a probe prints it. */
export const pageAt = (pfn: number, offset = 0): string =>
  `0x${(BASE + BigInt(pfn) * 64n + BigInt(offset)).toString(16)}`;

/** Seconds from 100 on, so that the clock does not start at 0. */
export const ftrace = (lines: readonly Line[]): string =>
  `# tracer: nop\n${lines
    .map(({ comm = "task", tid = 1, cpu = 0, at, event }) => {
      const time = (100 + at).toFixed(6).padStart(12);
      return `${comm.padStart(16)}-${String(tid).padEnd(7)} [${String(cpu).padStart(3, "0")}] ..... ${time}: ${event}\n`;
    })
    .join("")}`;

const struct = (pfn: number, refs: number, mapc: number): string =>
  `page=${pageAt(pfn)} refs=${refs} mapc=${mapc} w1=0xffff888000000100 mapping=0xffff888000000200 idx=0x${(pfn % 512).toString(16)} flags=0x2000`;

/** Events of the lab's probes. `refs` is the count at the function's entry. */
export const probe = {
  pin: (pfn: number, refs: number, mapc = -1) =>
    `try_grab_folio_fast: (try_grab_folio_fast+0x0/0x10) ${struct(pfn, refs, mapc)} n=1 gup=0x80001`,
  get: (pfn: number, refs: number, mapc = -1) =>
    `try_grab_folio_fast: (try_grab_folio_fast+0x0/0x10) ${struct(pfn, refs, mapc)} n=1 gup=0x2`,
  unpin: (pfn: number, refs: number, mapc = -1) =>
    `unpin_user_folio: (unpin_user_folio+0x4/0x10) ${struct(pfn, refs, mapc)} n=1`,
  put: (pfn: number, refs: number, n: number) =>
    `put_devmap_managed: (__put_devmap_managed_folio_refs+0x4/0x10) ${struct(pfn, refs, -1)} n=${n}`,
  free: (pfn: number) => `free_zone_device_folio: (free_zone_device_folio+0x4/0x10) ${struct(pfn, 0, -1)}`,
  wake: (pfn: number, offset = 0x34) => `wake_up_var: (wake_up_var+0x4/0x10) page=${pageAt(pfn, offset)}`,
  breakLayouts: () => "ext4_break_layouts: (ext4_break_layouts+0x4/0x10 [ext4]) inode=0xffff888000000210",
  breakDone: (ret = 0) =>
    `ext4_break_layouts_ret: (ext4_punch_hole+0x10/0x100 [ext4] <- ext4_break_layouts) ret=${ret}`,
  scan: () =>
    "dax_layout_busy_page_range: (dax_layout_busy_page_range+0x4/0x10) mapping=0xffff888000000200 start=0 end=9223372036854775807",
  busy: (pfn: number, refs: number) =>
    `dax_layout_busy_page_range_ret: (ext4_break_layouts+0x41/0x120 [ext4] <- dax_layout_busy_page_range) page=${pageAt(pfn)} refs=${refs} mapc=-1`,
  idle: () =>
    "dax_layout_busy_page_range_ret: (ext4_break_layouts+0x41/0x120 [ext4] <- dax_layout_busy_page_range) page=0x0 refs=12345 mapc=99",
  map: (pfn: number, refs: number, mapc: number) =>
    `folio_add_file_rmap_ptes: (folio_add_file_rmap_ptes+0x4/0x10) page=${pageAt(pfn)} sub=${pageAt(pfn)} refs=${refs} mapc=${mapc} lmapc=0 mapping=0xffff888000000200 n=1 vma=0xffff888000000300`,
  unmap: (pfn: number, refs: number, mapc: number) =>
    `folio_remove_rmap_ptes: (folio_remove_rmap_ptes+0x4/0x10) page=${pageAt(pfn)} sub=${pageAt(pfn)} refs=${refs} mapc=${mapc} lmapc=0 mapping=0xffff888000000200 n=1 vma=0xffff888000000300`,
  insert: (pfn: number, refs: number, mapc: number) =>
    `vmf_insert_page_mkwrite: (vmf_insert_page_mkwrite+0x4/0x10) ${struct(pfn, refs, mapc)}`,
  ref: (name: string, pfn: number, count: number, val: number, ret?: number, mapcount = -1) =>
    `page_ref_${name}: pfn=0x${pfn.toString(16)} flags=reserved count=${count} mapcount=${mapcount} mapping=000000001e2b6ce6 mt=1 val=${val}${ret === undefined ? "" : ` ret=${ret}`}`,
} as const;
