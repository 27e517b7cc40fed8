// Which probes the analysis needs on this kernel, and how each is defined: the offsets of struct page
// from BTF, the position of each argument by its name, and left out what this kernel does not have.
import { specByName } from "../../events/vocabulary.ts";
import type { KernelFacts } from "./kernel-facts.ts";
import { type ZoneFilter, zoneFilterOf } from "./zone-filter.ts";

/** One kprobe, ready to be written to kprobe_events. */
export interface ProbeDefinition {
  readonly event: string;
  readonly fn: string;
  readonly isReturn: boolean;
  /** Arguments as kprobe_events takes them. */
  readonly args: string;
  /** Arguments for a bpftrace program: name, expression, format. */
  readonly bpf: readonly { readonly name: string; readonly expression: string; readonly format: string }[];
  /** Takes a page that the filter can look at. */
  readonly hasPage: boolean;
}

export interface ProbePlan {
  readonly probes: readonly ProbeDefinition[];
  readonly skipped: readonly { readonly event: string; readonly why: string }[];
  readonly tracepoints: readonly string[];
  /** Where the offsets come from. */
  readonly offsets: "BTF" | "assumed";
  /** How to tell pages of ZONE_DEVICE by their flags, or why that cannot be done. */
  readonly zone: ZoneFilter | string;
  readonly notes: readonly string[];
}

type Arg = "page" | "n" | "gup" | "inode" | "mapping" | "start" | "end" | "pgmap" | "vma" | "pfn" | "index";

interface Wanted {
  readonly event: string;
  readonly args: readonly Arg[];
  /** Other kernels' names for the function. */
  readonly also?: readonly string[];
}

const w = (event: string, ...args: Arg[]): Wanted => ({ event, args });

const WANTED: readonly Wanted[] = [
  w("try_grab_folio_fast", "page", "n", "gup"),
  w("try_grab_folio", "page", "n", "gup"),
  w("try_grab_page", "page", "gup"),
  w("gup_put_folio", "page", "n", "gup"),
  w("unpin_user_page", "page"),
  w("unpin_user_folio", "page", "n"),
  { ...w("put_devmap_managed", "page", "n"), also: ["__put_devmap_managed_page_refs"] },
  w("folio_put", "page"),
  w("free_zone_device_folio", "page"),
  w("free_zone_device_page", "page"),
  w("zone_device_page_init", "page"),
  w("folio_add_file_rmap_ptes", "page", "n"),
  w("folio_remove_rmap_ptes", "page", "n"),
  w("folio_add_file_rmap_pmd", "page"),
  w("folio_remove_rmap_pmd", "page"),
  w("vmf_insert_page_mkwrite", "page"),
  w("vmf_insert_folio_pmd", "page"),
  w("vmf_insert_mixed", "pfn"),
  w("vmf_insert_mixed_mkwrite", "pfn"),
  w("vmf_insert_pfn_pmd", "pfn"),
  w("dax_folio_reset_order", "page"),
  w("dax_delete_mapping_entry", "mapping", "index"),
  w("wake_up_var", "page"),
  w("ext4_break_layouts", "inode"),
  w("ext4_break_layouts_ret"),
  w("xfs_break_layouts", "inode"),
  w("xfs_break_layouts_ret"),
  w("xfs_break_dax_layouts", "inode"),
  w("xfs_break_dax_layouts_ret"),
  w("fuse_dax_break_layouts", "inode"),
  w("fuse_dax_break_layouts_ret"),
  w("dax_break_layout", "inode", "start", "end"),
  w("dax_break_layout_ret"),
  w("dax_break_layout_final", "inode"),
  w("dax_break_layout_final_ret"),
  w("dax_layout_busy_page_range", "mapping", "start", "end"),
  w("dax_layout_busy_page_range_ret"),
  w("dax_iomap_fault"),
  w("dax_iomap_fault_ret"),
  w("kill_dax"),
  w("kill_dev_dax"),
  w("memremap_pages", "pgmap"),
  w("memunmap_pages", "pgmap"),
  w("memunmap_pages_ret"),
  w("dev_pagemap_percpu_release"),
  w("folio_lock", "page"),
  w("folio_lock_ret"),
  w("folio_unlock", "page"),
];

/** Names that the kernel gives to the parameter we want, and its usual place. */
const PARAMETERS: Record<Arg, { readonly names: readonly string[]; readonly place: number }> = {
  page: { names: ["folio", "page", "var"], place: 1 },
  n: { names: ["refs", "nr_pages", "npages", "nr"], place: 2 },
  gup: { names: ["flags"], place: 3 },
  inode: { names: ["inode"], place: 1 },
  mapping: { names: ["mapping"], place: 1 },
  start: { names: ["start"], place: 2 },
  end: { names: ["end"], place: 3 },
  pgmap: { names: ["pgmap"], place: 1 },
  vma: { names: ["vma"], place: 3 },
  pfn: { names: ["pfn"], place: 3 },
  index: { names: ["index"], place: 2 },
};

/** Places that are not the usual ones, where BTF cannot be asked. */
const PLACES: Readonly<Record<string, Partial<Record<Arg, number>>>> = {
  vmf_insert_page_mkwrite: { page: 2 },
  vmf_insert_folio_pmd: { page: 2 },
  vmf_insert_pfn_pmd: { pfn: 2 },
  folio_add_file_rmap_ptes: { n: 3 },
  folio_remove_rmap_ptes: { n: 3 },
};

/** Offsets in struct page of every 64-bit kernel since v4.20, for where BTF is absent. */
const ASSUMED = {
  flags: 0,
  pgmap: 8,
  mapping: 0x18,
  index: 0x20,
  mapcount: 0x30,
  refcount: 0x34,
  /** In struct folio. It has moved, so it is not assumed. */
  entireMapcount: null as number | null,
};
type Offsets = typeof ASSUMED;

function offsetsOf(facts: KernelFacts): { readonly offsets: Offsets; readonly from: ProbePlan["offsets"] } {
  const members = facts.btf?.struct("page");
  if (members === null || members === undefined) return { offsets: ASSUMED, from: "assumed" };
  const at = (name: string, otherwise: number): number =>
    members.find((m) => m.name === name)?.offset ?? otherwise;
  return {
    from: "BTF",
    offsets: {
      flags: at("flags", ASSUMED.flags),
      pgmap: ASSUMED.pgmap,
      mapping: at("mapping", ASSUMED.mapping),
      index: at("index", at("__folio_index", ASSUMED.index)),
      mapcount: at("_mapcount", ASSUMED.mapcount),
      refcount: at("_refcount", ASSUMED.refcount),
      entireMapcount: facts.btf?.struct("folio")?.find((m) => m.name === "_entire_mapcount")?.offset ?? null,
    },
  };
}

export function planProbes(facts: KernelFacts): ProbePlan {
  const { offsets, from } = offsetsOf(facts);
  const probes: ProbeDefinition[] = [];
  const skipped: { event: string; why: string }[] = [];
  for (const wanted of WANTED) {
    const spec = specByName.get(wanted.event);
    if (spec === undefined) continue;
    const names = [spec.fn, ...(wanted.also ?? [])];
    const fn = facts.functions === null ? spec.fn : names.find((name) => facts.functions?.has(name));
    if (fn === undefined) {
      skipped.push({
        event: wanted.event,
        why: `${spec.fn}() is not in this kernel, is inlined, or its module is not loaded`,
      });
      continue;
    }
    probes.push(define(wanted, fn, facts, offsets));
  }
  const notes: string[] = [];
  if (facts.pageRef === false) {
    notes.push(
      "no page_ref tracepoints (CONFIG_DEBUG_PAGE_REF is off): counts come from kprobes, before each change",
    );
  } else if (facts.pageRef === null)
    notes.push(
      "whether this kernel has page_ref tracepoints could not be found out; they are used if they are there",
    );
  if (facts.functions === null)
    notes.push(
      "which functions can be probed could not be read: a probe that fails is left out while recording",
    );
  if (from === "assumed")
    notes.push(
      "no BTF (/sys/kernel/btf/vmlinux): the offsets in struct page are those of all 64-bit kernels so far",
    );
  return {
    probes,
    skipped,
    tracepoints: [
      "sched/sched_process_exit",
      ...(facts.fsDax === false ? [] : ["fs_dax"]),
      ...(facts.pageRef === false ? [] : ["page_ref"]),
    ],
    offsets: from,
    zone: zoneFilterOf(facts),
    notes,
  };
}

function define(wanted: Wanted, fn: string, facts: KernelFacts, o: Offsets): ProbeDefinition {
  const isReturn = wanted.event.endsWith("_ret");
  const args: string[] = [];
  const bpf: { name: string; expression: string; format: string }[] = [];
  const add = (
    name: string,
    fetch: string,
    type: "x64" | "s32" | "s64" | "u64",
    expression: string,
  ): void => {
    args.push(`${name}=${fetch}:${type}`);
    const cast = type === "s32" ? `*(int32*)(${expression})` : `*(uint64*)(${expression})`;
    const inRegister = /^(arg\d|retval)$/.test(expression);
    const value = !inRegister ? cast : type === "s32" ? `(int32)${expression}` : expression;
    bpf.push({ name, expression: value, format: type === "x64" ? "0x%lx" : type === "s32" ? "%d" : "%ld" });
  };
  if (isReturn) {
    if (fn === "dax_layout_busy_page_range") {
      add("page", "$retval", "x64", "retval");
      add("refs", `+0x${o.refcount.toString(16)}($retval)`, "s32", `retval + ${o.refcount}`);
      add("mapc", `+0x${o.mapcount.toString(16)}($retval)`, "s32", `retval + ${o.mapcount}`);
    } else if (!["memunmap_pages", "dax_break_layout_final", "__folio_lock"].includes(fn))
      add("ret", "$retval", "s32", "retval");
    return { event: wanted.event, fn, isReturn, args: args.join(" "), bpf, hasPage: false };
  }
  const parameters = facts.btf?.parameters(fn) ?? null;
  for (const arg of wanted.args) {
    const place = placeOf(arg, fn, parameters);
    if (place === null) continue;
    const register = `$arg${place}`;
    const variable = `arg${place - 1}`;
    const field = (name: string, offset: number, type: "x64" | "s32"): void =>
      add(name, `+0x${offset.toString(16)}(${register})`, type, `${variable} + ${offset}`);
    if (arg === "page") {
      add("page", register, "x64", variable);
      // wake_up_var() is called for any address; what it points to may be no page.
      if (fn === "wake_up_var") continue;
      field("refs", o.refcount, "s32");
      field("mapc", o.mapcount, "s32");
      field("w1", o.pgmap, "x64");
      field("mapping", o.mapping, "x64");
      field("idx", o.index, "x64");
      field("flags", o.flags, "x64");
      if (specByName.get(wanted.event)?.fields.mapcount === "emapc" && o.entireMapcount !== null)
        field("emapc", o.entireMapcount, "s32");
    } else if (arg === "n") add("n", register, "s32", variable);
    else if (arg === "gup") add("gup", register, "x64", variable);
    else if (arg === "start" || arg === "end") add(arg, register, "s64", variable);
    else add(arg, register, "x64", variable);
  }
  return {
    event: wanted.event,
    fn,
    isReturn,
    args: args.join(" "),
    bpf,
    hasPage: wanted.args.includes("page"),
  };
}

function placeOf(arg: Arg, fn: string, parameters: readonly string[] | null): number | null {
  const { names, place } = PARAMETERS[arg];
  if (parameters === null) return PLACES[fn]?.[arg] ?? place;
  const found = parameters.findIndex((p) => names.includes(p));
  return found < 0 ? null : found + 1;
}
