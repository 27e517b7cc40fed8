// A recording of a real kernel, cut down to the events that say what a page counted: page_ref events, of kernels
// with CONFIG_DEBUG_PAGE_REF, and looks at a whole struct page at named moments. Both also tell of memory that is
// no device's; that is left out.
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";

/** The words of one struct page at one moment. Pages and files are numbered in the order in which they appear. */
export interface Look {
  /** The moment, in the words of the workload. */
  readonly at: string;
  readonly page: number;
  readonly _refcount: number;
  /** As stored: -1 is none. */
  readonly _mapcount: number;
  /** What word 0 says: a page of its own, the head of a large folio, or a tail. */
  readonly part: "small" | "head" | "tail";
  /** "none", "shared" (PAGE_MAPPING_DAX_SHARED), "file N"; in a tail "counts" or "not a mapping". */
  readonly mapping: string;
  /** `index`, or `share`. Of tails, where another word is there, null. */
  readonly index: number | null;
  /** Of the head of a large folio, as stored; null for v6.1, where the probe did not find them. */
  readonly counts: {
    readonly _large_mapcount: number;
    readonly _entire_mapcount: number;
    readonly _pincount: number;
  } | null;
}

export interface Recording {
  readonly looks: readonly Look[];
  /** The counts that each page went through, the pages in the order in which each was first used. */
  readonly counts: readonly (readonly number[])[];
}

/** Gives things numbers in the order in which they appear. */
export class Numbers<T> {
  readonly #numbers = new Map<T, number>();

  of(thing: T): number {
    const number = this.#numbers.get(thing) ?? this.#numbers.size;
    this.#numbers.set(thing, number);
    return number;
  }
}

/** The counts that each page went through. */
export class Histories {
  readonly #all = new Map<number, number[]>();

  note(pfn: number, count: number): void {
    this.#all.set(pfn, [...(this.#all.get(pfn) ?? []), count]);
  }

  inOrder(): number[][] {
    return [...this.#all.values()];
  }
}

const PAGE_REF = /page_ref_\w+: pfn=(0x[0-9a-f]+) .*\bcount=(\d+)/;
const MARK = /tracing_mark_write: snap#\d+ (.+) pfn=0x[0-9a-f]+$/;
const LOOK = / snap: .*\bpfn=(0x[0-9a-f]+)/;

/** Page frames of the machine's persistent memory. */
const isDeviceMemory = (pfn: number): boolean => pfn >= 0x40000 && pfn < 0x80000;

/** Bit 0 of word 0: a pointer to the head, or what says how far away it is. */
const isTail = (word0: bigint): boolean => (word0 & 1n) === 1n;

const TAIL_MAPPING = 0xdead000000000400n;

export function readRecording(name: string): Recording {
  const file = new URL(`../../fixtures/traces/replayed/${name}.txt.gz`, import.meta.url);
  const kernel = /\.(\d+\.\d+)(?:-pageref)?$/.exec(name)?.[1] ?? "";
  const histories = new Histories();
  const pages = new Numbers<number>();
  const files = new Numbers<bigint>();
  const looks: Look[] = [];
  let at = "";
  for (const line of gunzipSync(readFileSync(file)).toString("utf8").split("\n")) {
    const [, pfn, count] = PAGE_REF.exec(line) ?? [];
    if (pfn !== undefined) histories.note(Number(pfn), Number(count));
    at = MARK.exec(line)?.[1] ?? at;
    const looked = LOOK.exec(line)?.[1];
    if (looked === undefined || !isDeviceMemory(Number(looked))) continue;
    looks.push({ at, page: pages.of(Number(looked)), ...words(line, kernel, files) });
  }
  return { looks, counts: histories.inOrder() };
}

/** The words of a struct page, as the probe printed them. */
function words(line: string, kernel: string, files: Numbers<bigint>): Omit<Look, "at" | "page"> {
  const word = (name: string): string => new RegExp(`\\b${name}=(\\S+)`).exec(line)?.[1] ?? "";
  const part = isTail(BigInt(word("w1"))) ? "tail" : isTail(BigInt(word("p1head"))) ? "head" : "small";
  return {
    _refcount: Number(word("refs")),
    _mapcount: Number(word("mapc")),
    part,
    mapping: part === "tail" ? tailMapping(BigInt(word("mapping"))) : mapping(BigInt(word("mapping")), files),
    index: part === "tail" ? null : Number(word("idx")),
    counts: part === "head" && kernel !== "6.1" ? counts(word, kernel) : null,
  };
}

/**
 * The counts in the first tail. The names in the probe are those of v7.2: in v6.12 _entire_mapcount is where that has
 * _nr_pages_mapped, and in v6.1 other words are there.
 */
const counts = (word: (name: string) => string, kernel: string): Look["counts"] => ({
  _large_mapcount: Number(word("lmapc")),
  _entire_mapcount: Number(word(kernel === "6.12" ? "nrmap" : "emapc")),
  _pincount: Number(word("pinc")),
});

function mapping(word: bigint, files: Numbers<bigint>): string {
  if (word === 0n) return "none";
  return word === 1n ? "shared" : `file ${files.of(word)}`;
}

/** Tails are poisoned; the first holds counts, and the second the head of a list, which points to itself. */
const tailMapping = (word: bigint): string =>
  word === TAIL_MAPPING || word >> 44n === 0xffffen ? "not a mapping" : "counts";
