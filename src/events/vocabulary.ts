// The events that recordings and modelled executions share, by the kernel's own names, and what each
// of them tells. Tracepoints are named as in include/trace/events/; kprobes by the function they sit
// on, with `_ret` for its return. The table is data: a person who named their probes otherwise maps
// them onto these names (`docs/trace.md`).

/**
 * What an event tells about a page or a waiter, whatever tracepoint or probe said it.
 * Roles, and not names, are what trackers look at.
 */
export type Role =
  /** The reference count changed; `count` is its value after the change. */
  | "count-changed"
  /** get_user_pages is about to take references. */
  | "grab"
  /** References are about to be dropped. */
  | "put"
  /** The count is 0 and the page goes back to its device. */
  | "freed"
  /** A page-table mapping is about to be counted in mapcount. */
  | "map"
  /** A page-table mapping is about to leave mapcount. */
  | "unmap"
  /** A page-table entry for the page is about to be written. */
  | "insert"
  /** The page is handed out by its driver. */
  | "allocated"
  /** The page no longer belongs to a file. */
  | "left-file"
  /** Somebody looked at the page; nothing changed. */
  | "looked-at"
  /** Waiters on the page are woken. */
  | "wake"
  /** A page fault in DAX starts. */
  | "fault-enter"
  /** A page fault in DAX has ended. */
  | "fault-exit"
  /** A task begins to break layouts: unmap a file and wait for its pages. */
  | "break-enter"
  | "break-exit"
  /** The scan for a page that is still referenced, and its answer. */
  | "scan-enter"
  | "scan-exit"
  /** The task is about to sleep until a page is idle. */
  | "sleep"
  /** A DAX device is being taken away. */
  | "kill"
  /** struct pages are about to be removed, and have been removed. */
  | "remove-enter"
  | "remove-exit"
  /** The last reference to a pgmap is gone. */
  | "pgmap-released"
  /** struct pages are created. */
  | "created"
  /** A task waits for a folio lock. */
  | "lock-enter"
  | "lock-exit"
  /** A person, or the workload, wrote a line into the recording. */
  | "mark"
  /** A task has ended. */
  | "task-exit"
  /** Known, and of no consequence to the page's life. */
  | "context";

/** When the numbers in an event were read, relative to the change that it announces. */
export type Sampled =
  /** After the change: `page_ref:*`. */
  | "after"
  /** At the function's entry, before its change: kprobes. */
  | "entry"
  /** At the function's return. */
  | "return"
  /** There is no change. */
  | "none";

/** A field of an event that trackers read. Each event prints some of them, under names of its own. */
export type FieldName =
  | "pfn"
  | "page"
  | "count"
  | "mapcount"
  | "val"
  | "ret"
  | "n"
  | "gup"
  | "flags"
  | "mapping"
  | "index"
  | "pgmap"
  | "inode"
  | "start"
  | "end"
  | "pid"
  | "vma";

export interface EventSpec {
  readonly name: string;
  readonly role: Role;
  readonly sampled: Sampled;
  /** Field of ours → the name that the event prints it under. */
  readonly fields: Readonly<Partial<Record<FieldName, string>>>;
  /** Only pages of ZONE_DEVICE can be named by this event. */
  readonly deviceOnly: boolean;
  /** The function whose entry or return this is, where the event's name does not say it. */
  readonly fn: string;
  /** For nested puts: which of two events of one put is the inner one. */
  readonly depth: number;
}

type Fields = EventSpec["fields"];

// The fields that the probes of the lab print for a page, as `pagelife record` defines them.
const PAGE: Fields = {
  page: "page",
  count: "refs",
  mapcount: "mapc",
  pgmap: "w1",
  mapping: "mapping",
  index: "idx",
  flags: "flags",
};
const RMAP: Fields = {
  page: "page",
  count: "refs",
  mapcount: "mapc",
  mapping: "mapping",
  n: "n",
  vma: "vma",
};
const PAGE_REF: Fields = {
  pfn: "pfn",
  count: "count",
  mapcount: "mapcount",
  val: "val",
  ret: "ret",
  flags: "flags",
};

interface Extra {
  readonly deviceOnly?: boolean;
  readonly fn?: string;
  readonly depth?: number;
}

const spec = (
  name: string,
  role: Role,
  sampled: Sampled,
  fields: Fields = {},
  extra: Extra = {},
): EventSpec => ({
  name,
  role,
  sampled,
  fields,
  deviceOnly: extra.deviceOnly ?? false,
  fn: extra.fn ?? name.replace(/_ret$/, ""),
  depth: extra.depth ?? 0,
});

const device: Extra = { deviceOnly: true };

/** Every event that pagelife understands. */
export const vocabulary: readonly EventSpec[] = [
  // include/trace/events/page_ref.h: after the change.
  spec("page_ref_set", "count-changed", "after", PAGE_REF),
  spec("page_ref_mod", "count-changed", "after", PAGE_REF),
  spec("page_ref_mod_and_test", "count-changed", "after", PAGE_REF),
  spec("page_ref_mod_and_return", "count-changed", "after", PAGE_REF),
  spec("page_ref_mod_unless", "count-changed", "after", PAGE_REF),
  spec("page_ref_freeze", "count-changed", "after", PAGE_REF),
  spec("page_ref_unfreeze", "count-changed", "after", PAGE_REF),

  // get_user_pages: before the change.
  spec("try_grab_folio", "grab", "entry", { ...PAGE, n: "n", gup: "gup" }),
  spec("try_grab_folio_fast", "grab", "entry", { ...PAGE, n: "n", gup: "gup" }),
  spec("try_grab_page", "grab", "entry", { ...PAGE, gup: "gup" }),
  spec(
    "unpin_user_page_range",
    "put",
    "entry",
    { ...PAGE, n: "n" },
    { fn: "unpin_user_page_range_dirty_lock", depth: 0 },
  ),
  spec("unpin_user_page", "put", "entry", PAGE, { depth: 1 }),
  spec("unpin_user_folio", "put", "entry", { ...PAGE, n: "n" }, { depth: 1 }),
  spec("gup_put_folio", "put", "entry", { ...PAGE, n: "n", gup: "gup" }, { depth: 2 }),
  spec(
    "put_devmap_managed",
    "put",
    "entry",
    { ...PAGE, n: "n" },
    { deviceOnly: true, fn: "__put_devmap_managed_folio_refs", depth: 3 },
  ),
  spec("folio_put", "freed", "entry", PAGE, { fn: "__folio_put", depth: 4 }),
  spec("free_zone_device_folio", "freed", "entry", PAGE, { deviceOnly: true, depth: 5 }),
  spec("free_zone_device_page", "freed", "entry", PAGE, { deviceOnly: true, depth: 5 }),
  spec("zone_device_page_init", "allocated", "entry", PAGE, device),

  // Mappings: before the change.
  spec("folio_add_file_rmap_ptes", "map", "entry", RMAP),
  spec("folio_add_file_rmap_pmd", "map", "entry", { ...RMAP, mapcount: "emapc" }),
  spec("folio_remove_rmap_ptes", "unmap", "entry", RMAP),
  spec("folio_remove_rmap_pmd", "unmap", "entry", { ...RMAP, mapcount: "emapc" }),
  spec("vmf_insert_page_mkwrite", "insert", "entry", PAGE),
  spec("vmf_insert_folio_pmd", "insert", "entry", PAGE),
  spec("vmf_insert_mixed", "insert", "entry", { pfn: "pfn", vma: "vma" }),
  spec("vmf_insert_mixed_mkwrite", "insert", "entry", { pfn: "pfn", vma: "vma" }),
  spec("vmf_insert_pfn_pmd", "insert", "entry", { pfn: "pfn" }),

  // The file's side of a page.
  spec("dax_folio_reset_order", "left-file", "entry", PAGE, device),
  spec("dax_folio_put", "looked-at", "entry", PAGE, device),
  spec("dax_folio_init", "looked-at", "entry", PAGE, device),
  spec("dax_folio_make_shared", "looked-at", "entry", PAGE, device),
  spec("dax_lock_folio", "looked-at", "entry", PAGE),
  spec("snap", "looked-at", "none", {
    pfn: "pfn",
    count: "refs",
    mapcount: "mapc",
    pgmap: "w1",
    mapping: "mapping",
    index: "idx",
    flags: "flags",
  }),
  spec("memory_failure", "looked-at", "none", { pfn: "pfn" }),

  // Waiting and waking.
  spec("wake_up_var", "wake", "entry", { page: "page" }),
  spec("ext4_break_layouts", "break-enter", "entry", { inode: "inode" }),
  spec("ext4_break_layouts_ret", "break-exit", "return", { ret: "ret" }),
  spec("xfs_break_layouts", "break-enter", "entry", { inode: "inode" }),
  spec("xfs_break_layouts_ret", "break-exit", "return", { ret: "ret" }),
  spec("xfs_break_dax_layouts", "break-enter", "entry", { inode: "inode" }),
  spec("xfs_break_dax_layouts_ret", "break-exit", "return", { ret: "ret" }),
  spec("fuse_dax_break_layouts", "break-enter", "entry", { inode: "inode" }),
  spec("fuse_dax_break_layouts_ret", "break-exit", "return", { ret: "ret" }),
  spec("dax_break_layout", "break-enter", "entry", { inode: "inode", start: "start", end: "end" }),
  spec("dax_break_layout_ret", "break-exit", "return", { ret: "ret" }),
  spec("dax_break_layout_final", "break-enter", "entry", { inode: "inode" }),
  spec("dax_break_layout_final_ret", "break-exit", "return", {}),
  spec("dax_layout_busy_page_range", "scan-enter", "entry", {
    mapping: "mapping",
    start: "start",
    end: "end",
  }),
  spec("dax_layout_busy_page_range_ret", "scan-exit", "return", {
    page: "page",
    count: "refs",
    mapcount: "mapc",
  }),
  spec("ext4_wait_dax_page", "sleep", "entry", { inode: "inode" }),
  spec("xfs_wait_dax_page", "sleep", "entry", { inode: "inode" }),
  spec("fuse_wait_dax_page", "sleep", "entry", { inode: "inode" }),
  spec("wait_page_idle", "sleep", "entry", { page: "page" }),
  spec("folio_lock", "lock-enter", "entry", { page: "page" }, { fn: "__folio_lock" }),
  spec("folio_lock_ret", "lock-exit", "return", {}, { fn: "__folio_lock" }),

  // Devices coming and going.
  spec("kill_dax", "kill", "entry"),
  spec("kill_dev_dax", "kill", "entry"),
  spec("memremap_pages", "created", "entry", { pgmap: "pgmap" }),
  spec("memunmap_pages", "remove-enter", "entry", { pgmap: "pgmap" }),
  spec("memunmap_pages_ret", "remove-exit", "return"),
  spec("dev_pagemap_percpu_release", "pgmap-released", "entry"),

  // Faults: include/trace/events/fs_dax.h, and the entry of the fault handler.
  spec("dax_iomap_fault", "fault-enter", "entry"),
  spec("dax_iomap_fault_ret", "fault-exit", "return"),
  spec("dax_pte_fault", "fault-enter", "none"),
  spec("dax_pte_fault_done", "fault-exit", "none"),
  spec("dax_pmd_fault", "fault-enter", "none"),
  spec("dax_pmd_fault_done", "fault-exit", "none"),

  // Known, and of no consequence here.
  spec("dax_insert_entry", "context", "entry"),
  spec("dax_associate_entry", "context", "entry"),
  spec("dax_disassociate_entry", "context", "entry"),
  spec("dax_delete_mapping_entry", "context", "entry"),
  spec("dax_delete_mapping_range", "context", "entry"),
  spec("dax_busy_page", "context", "entry"),
  spec("dax_finish_sync_fault", "context", "entry"),
  spec("dax_holder_notify_failure", "context", "entry"),
  spec("split_huge_pmd", "context", "entry"),
  spec("memory_failure_ret", "context", "return"),
  spec("gup_longterm_ret", "context", "return"),
  spec("dax_insert_mapping", "context", "none"),
  spec("dax_insert_pfn_mkwrite", "context", "none"),
  spec("dax_insert_pfn_mkwrite_no_entry", "context", "none"),
  spec("dax_load_hole", "context", "none"),
  spec("dax_pmd_load_hole", "context", "none"),
  spec("dax_pmd_load_hole_fallback", "context", "none"),
  spec("dax_pmd_insert_mapping", "context", "none"),
  spec("dax_writeback_one", "context", "none"),
  spec("dax_writeback_range", "context", "none"),
  spec("dax_writeback_range_done", "context", "none"),

  spec("tracing_mark_write", "mark", "none"),
  spec("print", "mark", "none"),
  spec("bprint", "mark", "none"),
  spec("sched_process_exit", "task-exit", "none", { pid: "pid" }),
];

/** Looks a specification up by the event's name. */
export const specByName: ReadonlyMap<string, EventSpec> = new Map(vocabulary.map((s) => [s.name, s]));
