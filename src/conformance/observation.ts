// What is seen after each operation of a workload, on either side of a comparison.
import type { Program } from "./program.ts";

/** What may be said of `page->mapping`. */
export type MappingState =
  /** No file: NULL. */
  | "none"
  /** One file's mapping. */
  | "file"
  /** Shared by several files (reflink): `PAGE_MAPPING_DAX_SHARED`, or NULL with a share count. */
  | "shared";

/**
 * What `mapping` and the word after it, `index` or `share`, say together. One-based kernels mark a shared page in
 * `mapping`; v6.1 leaves that mark on a page when the last file gives it up (`page->index-- > 0`), with a count of 0:
 * it says nothing then. Zero-based ones have NULL and a count of files.
 *
 * @param idle What a page counts that nobody uses.
 */
export function mappingState(mapping: "null" | "shared" | "file", index: number, idle: number): MappingState {
  if (mapping === "file") return "file";
  if (mapping === "shared") return index > 0 ? "shared" : "none";
  return idle === 0 && index > 0 ? "shared" : "none";
}

/** The counts of one page, as its folio has them. */
export interface PageState {
  readonly refcount: number;
  /** How many page table entries map it; 0 when unmapped, as `folio_mapcount()` says. */
  readonly mapcount: number;
  /** FOLL_PIN references: `refcount / 1024` of a single page, `_pincount` of a large folio. */
  readonly pincount: number;
  readonly mapping: MappingState;
  /** Flags that the life of a page turns on: `head`, `tail`, `hwpoison`, `locked`. */
  readonly flags: readonly string[];
}

/**
 * Does nobody use the page? That it is poisoned does not count: which free block another file gets next is the file
 * system's affair.
 *
 * @param idle What such a page counts.
 */
export const isIdle = (s: PageState, idle: number): boolean =>
  s.refcount === idle &&
  s.mapcount === 0 &&
  s.mapping === "none" &&
  s.flags.every((flag) => flag === "hwpoison");

/** What is behind one page of a file: a page, a hole, or (while the file is locked) nobody can tell. */
export type Backing = PageState | "hole" | "unknown";

export type Status =
  | "done"
  /** Sleeps in the kernel. */
  | "blocked"
  /** Never returns and never sleeps: the process was killed. */
  | "spins"
  /** Not tried: the process sleeps, or does not exist. */
  | "skipped"
  /** The subsystem does not have it. */
  | "unsupported"
  /** The subsystem found a broken rule of its own while it ran this. */
  | "failed";

export interface Observation {
  /** Index of the operation; -1 before the first, `ops.length` after everything was undone. */
  readonly op: number;
  readonly status: Status;
  /** 0, an errno, or 1000 + a signal. Means something when `status` is `done`. */
  readonly errno: number;
  /** Which rule was broken, when `status` is `failed`. */
  readonly failure?: string;
  /** Earlier operations that slept and ended now. */
  readonly woken: readonly { readonly op: number; readonly errno: number }[];
  /** By file and page: `files[0][3]` is page 3 of file 0. */
  readonly files: readonly (readonly Backing[])[];
  /** Files whose blocks could not be asked for, since an operation that sleeps has the file's lock. */
  readonly unasked: readonly number[];
  /**
   * Pages that no file has any more but that are not idle either, by the place that they were last seen
   * in: `0/3`. A page that is both given up and idle is not listed.
   */
  readonly detached: Readonly<Record<string, PageState>>;
}

/** One side of a comparison: a real kernel, or the subsystem. */
export interface Subject {
  /** `Linux 6.12.117+deb12-amd64`, `pagelife v6.12`. */
  readonly name: string;
  run(program: Program): readonly Observation[];
}

/** A page's state in a few words, for people: `ref=1025 map=1 pin=1 mapping=file`. */
export function describeBacking(b: Backing | undefined): string {
  if (b === undefined) return "none";
  if (typeof b === "string") return b;
  const flags = b.flags.length === 0 ? "" : ` ${b.flags.join(",")}`;
  return `ref=${b.refcount} map=${b.mapcount} pin=${b.pincount} mapping=${b.mapping}${flags}`;
}
