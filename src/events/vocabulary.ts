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
  /** An entry of a file is about to be deleted: its pages belong to no file any more. */
  | "entry-deleted"
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
  /** A folio lock is about to be given back. */
  | "lock-release"
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
  /** Its place in `vocabulary`; a person's own probe has that of the event it means. */
  readonly id: number;
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

const entry = (
  name: string,
  role: Role,
  sampled: Sampled,
  fields: Fields = {},
  extra: Extra = {},
): Omit<EventSpec, "id"> => ({
  name,
  role,
  sampled,
  fields,
  deviceOnly: extra.deviceOnly ?? false,
  fn: extra.fn ?? name.replace(/_ret$/, ""),
  depth: extra.depth ?? 0,
});

const device: Extra = { deviceOnly: true };

const entries: readonly Omit<EventSpec, "id">[] = [
  // include/trace/events/page_ref.h: after the change.
  entry("page_ref_set", "count-changed", "after", PAGE_REF),
  entry("page_ref_mod", "count-changed", "after", PAGE_REF),
  entry("page_ref_mod_and_test", "count-changed", "after", PAGE_REF),
  entry("page_ref_mod_and_return", "count-changed", "after", PAGE_REF),
  entry("page_ref_mod_unless", "count-changed", "after", PAGE_REF),
  entry("page_ref_freeze", "count-changed", "after", PAGE_REF),
  entry("page_ref_unfreeze", "count-changed", "after", PAGE_REF),

  // get_user_pages: before the change.
  entry("try_grab_folio", "grab", "entry", { ...PAGE, n: "n", gup: "gup" }),
  entry("try_grab_folio_fast", "grab", "entry", { ...PAGE, n: "n", gup: "gup" }),
  entry("try_grab_page", "grab", "entry", { ...PAGE, gup: "gup" }),
  entry(
    "unpin_user_page_range",
    "put",
    "entry",
    { ...PAGE, n: "n" },
    { fn: "unpin_user_page_range_dirty_lock", depth: 0 },
  ),
  entry("unpin_user_page", "put", "entry", PAGE, { depth: 1 }),
  entry("unpin_user_folio", "put", "entry", { ...PAGE, n: "n" }, { depth: 1 }),
  entry("gup_put_folio", "put", "entry", { ...PAGE, n: "n", gup: "gup" }, { depth: 2 }),
  entry(
    "put_devmap_managed",
    "put",
    "entry",
    { ...PAGE, n: "n" },
    { deviceOnly: true, fn: "__put_devmap_managed_folio_refs", depth: 3 },
  ),
  entry("folio_put", "freed", "entry", PAGE, { fn: "__folio_put", depth: 4 }),
  entry("free_zone_device_folio", "freed", "entry", PAGE, { deviceOnly: true, depth: 5 }),
  entry("free_zone_device_page", "freed", "entry", PAGE, { deviceOnly: true, depth: 5 }),
  entry("zone_device_page_init", "allocated", "entry", PAGE, device),

  // Mappings: before the change.
  entry("folio_add_file_rmap_ptes", "map", "entry", RMAP),
  entry("folio_add_file_rmap_pmd", "map", "entry", { ...RMAP, mapcount: "emapc" }),
  entry("folio_remove_rmap_ptes", "unmap", "entry", RMAP),
  entry("folio_remove_rmap_pmd", "unmap", "entry", { ...RMAP, mapcount: "emapc" }),
  entry("vmf_insert_page_mkwrite", "insert", "entry", PAGE),
  entry("vmf_insert_folio_pmd", "insert", "entry", PAGE),
  entry("vmf_insert_mixed", "insert", "entry", { pfn: "pfn", vma: "vma" }),
  entry("vmf_insert_mixed_mkwrite", "insert", "entry", { pfn: "pfn", vma: "vma" }),
  entry("vmf_insert_pfn_pmd", "insert", "entry", { pfn: "pfn" }),

  // The file's side of a page.
  entry("dax_folio_reset_order", "left-file", "entry", PAGE, device),
  entry("dax_folio_put", "looked-at", "entry", PAGE, device),
  entry("dax_folio_init", "looked-at", "entry", PAGE, device),
  entry("dax_folio_make_shared", "looked-at", "entry", PAGE, device),
  entry("dax_lock_folio", "looked-at", "entry", PAGE),
  entry("snap", "looked-at", "none", {
    pfn: "pfn",
    count: "refs",
    mapcount: "mapc",
    pgmap: "w1",
    mapping: "mapping",
    index: "idx",
    flags: "flags",
  }),
  entry("memory_failure", "looked-at", "none", { pfn: "pfn" }),

  // Waiting and waking.
  entry("wake_up_var", "wake", "entry", { page: "page" }),
  entry("ext4_break_layouts", "break-enter", "entry", { inode: "inode" }),
  entry("ext4_break_layouts_ret", "break-exit", "return", { ret: "ret" }),
  entry("xfs_break_layouts", "break-enter", "entry", { inode: "inode" }),
  entry("xfs_break_layouts_ret", "break-exit", "return", { ret: "ret" }),
  entry("xfs_break_dax_layouts", "break-enter", "entry", { inode: "inode" }),
  entry("xfs_break_dax_layouts_ret", "break-exit", "return", { ret: "ret" }),
  entry("fuse_dax_break_layouts", "break-enter", "entry", { inode: "inode" }),
  entry("fuse_dax_break_layouts_ret", "break-exit", "return", { ret: "ret" }),
  entry("dax_break_layout", "break-enter", "entry", { inode: "inode", start: "start", end: "end" }),
  entry("dax_break_layout_ret", "break-exit", "return", { ret: "ret" }),
  entry("dax_break_layout_final", "break-enter", "entry", { inode: "inode" }),
  entry("dax_break_layout_final_ret", "break-exit", "return", {}),
  entry("dax_layout_busy_page_range", "scan-enter", "entry", {
    mapping: "mapping",
    start: "start",
    end: "end",
  }),
  entry("dax_layout_busy_page_range_ret", "scan-exit", "return", {
    page: "page",
    count: "refs",
    mapcount: "mapc",
  }),
  entry("ext4_wait_dax_page", "sleep", "entry", { inode: "inode" }),
  entry("xfs_wait_dax_page", "sleep", "entry", { inode: "inode" }),
  entry("fuse_wait_dax_page", "sleep", "entry", { inode: "inode" }),
  entry("wait_page_idle", "sleep", "entry", { page: "page" }),
  entry("folio_lock", "lock-enter", "entry", { page: "page" }, { fn: "__folio_lock" }),
  entry("folio_lock_ret", "lock-exit", "return", {}, { fn: "__folio_lock" }),
  entry("folio_unlock", "lock-release", "entry", { page: "page" }),

  // Devices coming and going.
  entry("kill_dax", "kill", "entry"),
  entry("kill_dev_dax", "kill", "entry"),
  entry("memremap_pages", "created", "entry", { pgmap: "pgmap" }),
  entry("memunmap_pages", "remove-enter", "entry", { pgmap: "pgmap" }),
  entry("memunmap_pages_ret", "remove-exit", "return"),
  entry("dev_pagemap_percpu_release", "pgmap-released", "entry"),

  // Faults: include/trace/events/fs_dax.h, and the entry of the fault handler.
  entry("dax_iomap_fault", "fault-enter", "entry"),
  entry("dax_iomap_fault_ret", "fault-exit", "return"),
  entry("dax_pte_fault", "fault-enter", "none"),
  entry("dax_pte_fault_done", "fault-exit", "none"),
  entry("dax_pmd_fault", "fault-enter", "none"),
  entry("dax_pmd_fault_done", "fault-exit", "none"),

  // Known, and of no consequence here.
  entry("dax_insert_entry", "context", "entry"),
  entry("dax_associate_entry", "context", "entry"),
  entry("dax_disassociate_entry", "context", "entry"),
  entry("dax_delete_mapping_entry", "entry-deleted", "entry", { mapping: "mapping", index: "index" }),
  entry("dax_delete_mapping_range", "context", "entry"),
  entry("dax_busy_page", "context", "entry"),
  entry("dax_finish_sync_fault", "context", "entry"),
  entry("dax_holder_notify_failure", "context", "entry"),
  entry("split_huge_pmd", "context", "entry"),
  entry("memory_failure_ret", "context", "return"),
  entry("gup_longterm_ret", "context", "return"),
  entry("dax_insert_mapping", "context", "none"),
  entry("dax_insert_pfn_mkwrite", "context", "none"),
  entry("dax_insert_pfn_mkwrite_no_entry", "context", "none"),
  entry("dax_load_hole", "context", "none"),
  entry("dax_pmd_load_hole", "context", "none"),
  entry("dax_pmd_load_hole_fallback", "context", "none"),
  entry("dax_pmd_insert_mapping", "context", "none"),
  entry("dax_writeback_one", "context", "none"),
  entry("dax_writeback_range", "context", "none"),
  entry("dax_writeback_range_done", "context", "none"),

  entry("tracing_mark_write", "mark", "none"),
  entry("print", "mark", "none"),
  entry("bprint", "mark", "none"),
  entry("sched_process_exit", "task-exit", "none", { pid: "pid" }),
];

/** Every event that pagelife understands. */
export const vocabulary: readonly EventSpec[] = entries.map((e, id) => ({ id, ...e }));

/** Looks a specification up by the event's name. */
export const specByName: ReadonlyMap<string, EventSpec> = new Map(vocabulary.map((s) => [s.name, s]));
