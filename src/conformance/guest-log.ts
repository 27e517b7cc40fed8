// Reads the log that the guest program writes, and turns raw words of struct pages into observations.
// One line each; only what changed is written:
//
//     G 1 ffffea0000000000 40000 1   version of the form, memory map, first pfn of the persistent memory,
//                                    and the count of a page that nobody uses
//     P name                         a program begins
//     F 0 8                          file 0 has 8 pages that are looked at
//     B 0 3 48203 u                  page 3 of file 0 is block 0x48203 (u: unwritten); "-": a hole
//     U 0                            file 0 could not be asked for its blocks: somebody has its lock
//     S 48203 w0 w1 ... w7           the words of that struct page
//     R 48204 1fc 1 w0 w1 ... w7     so are those of 0x1fc pages from there on; word 4, the place in the
//                                    file, grows by 1 from one to the next
//     I                              everything is set up
//     O 4 done 0                     operation 4 ended with errno 0; or "blocked", "spins", "skipped"
//     D 2 0                          operation 2, which was blocked, ended
//     T 4                            the state after operation 4 is complete
//     X what                         something that the guest could not do
//     E                              the end: all was undone, and looked at once more
//     Z 17                           number of programs; missing when the guest died
//
// The writer is lab/guest/guest.c.
import { PagelifeError } from "../base/errors.ts";
import {
  type Backing,
  isIdle,
  type MappingState,
  mappingState,
  type Observation,
  type PageState,
  type Status,
} from "./observation.ts";
import type { PageLayout } from "./page-layout.ts";

export interface GuestRun {
  readonly program: string;
  readonly observations: readonly Observation[];
  /** What the guest could not do: an operation that never ended, a page that could not be read. */
  readonly troubles: readonly string[];
  /** False when the guest died in the middle. */
  readonly complete: boolean;
}

export interface GuestLog {
  readonly runs: readonly GuestRun[];
  /** False when the guest died before its last program. */
  readonly complete: boolean;
}

const low = (word: bigint): number => Number(BigInt.asIntN(32, word));
const high = (word: bigint): number => Number(BigInt.asIntN(32, word >> 32n));
const bit = (word: bigint, n: number): boolean => ((word >> BigInt(n)) & 1n) === 1n;

const WORDS_PER_PAGE = 8;
const INDEX_WORD = 4;
const PINS_PER_REFCOUNT = 1024;

/** The 32-bit word at a byte offset of the second page in `words`. */
function secondPageWord(words: readonly bigint[], offset: number): number {
  const word = words[WORDS_PER_PAGE + (offset >> 3)] ?? 0n;
  return (offset & 4) === 0 ? low(word) : high(word);
}

function mappingOf(mapping: bigint, index: bigint, oneBased: boolean): MappingState {
  const mark = mapping === 0n ? "null" : mapping === 1n ? "shared" : "file";
  return mappingState(mark, Number(index), oneBased ? 1 : 0);
}

/**
 * The state of one page. A tail is described by its head, whose counts are the folio's.
 *
 * @param words The struct page, followed by the next one where a page can be a head.
 * @param oneBased Whether an idle page counts 1 (FS-DAX before 6.15).
 */
function decodePage(
  pfn: number,
  pages: ReadonlyMap<number, readonly bigint[]>,
  layout: PageLayout,
  oneBased: boolean,
): PageState | null {
  const words = pages.get(pfn);
  if (words === undefined) return null;
  const flags: string[] = [];
  const [flagWord = 0n, link = 0n, , mapping = 0n, index = 0n, , counts = 0n] = words;
  if (bit(flagWord, layout.bits.hwpoison)) flags.push("hwpoison");
  if (bit(link, 0)) {
    const headPfn = pfn - (pfn % 512);
    const head = headPfn === pfn ? null : decodePage(headPfn, pages, layout, oneBased);
    if (head === null) return null;
    return { ...head, flags: [...flags, "tail"] };
  }
  if (bit(flagWord, layout.bits.locked)) flags.push("locked");
  const refcount = high(counts);
  if (bit(flagWord, layout.bits.head)) {
    return {
      refcount,
      mapcount: secondPageWord(words, layout.folio.mapcount) + 1,
      pincount: secondPageWord(words, layout.folio.pincount),
      mapping: mappingOf(mapping, index, oneBased),
      flags: [...flags, "head"],
    };
  }
  return {
    refcount,
    mapcount: low(counts) + 1,
    pincount: Math.floor(refcount / PINS_PER_REFCOUNT),
    mapping: mappingOf(mapping, index, oneBased),
    flags,
  };
}

/** Follows one program through the log. */
class Run {
  readonly observations: Observation[] = [];
  readonly troubles: string[] = [];
  private readonly pages = new Map<number, readonly bigint[]>();
  private readonly files: (number | null)[][] = [];
  /** Where each page was seen first; names it once no file has it any more. */
  private readonly firstPlace = new Map<number, string>();
  private readonly oneBased: boolean;
  /** Files that could not be asked this time. */
  private unasked = new Set<number>();
  private pending: { op: number; status: Status; errno: number } = { op: -1, status: "done", errno: 0 };
  private woken: { op: number; errno: number }[] = [];

  readonly name: string;
  private readonly layout: PageLayout;

  /** @param oneBased Whether an idle page counts 1. */
  constructor(name: string, layout: PageLayout, oneBased: boolean) {
    this.name = name;
    this.oneBased = oneBased;
    this.layout = layout;
  }

  file(file: number, pages: number): void {
    this.files[file] = new Array<number | null>(pages).fill(null);
  }

  back(file: number, page: number, pfn: number | null): void {
    const pages = this.files[file];
    if (pages !== undefined) pages[page] = pfn;
    if (pfn !== null && !this.firstPlace.has(pfn)) this.firstPlace.set(pfn, `${file}/${page}`);
  }

  notAsked(file: number): void {
    this.unasked.add(file);
  }

  words(pfn: number, words: readonly bigint[]): void {
    this.pages.set(pfn, words);
  }

  outcome(op: number, status: Status, errno: number): void {
    this.pending = { op, status, errno };
  }

  wake(op: number, errno: number): void {
    this.woken.push({ op, errno });
  }

  observe(): void {
    const inFile = new Set<number>();
    const files: Backing[][] = this.files.map((pages, f) =>
      pages.map((pfn): Backing => {
        if (pfn === null) return this.unasked.has(f) ? "unknown" : "hole";
        inFile.add(pfn);
        return decodePage(pfn, this.pages, this.layout, this.oneBased) ?? "unknown";
      }),
    );
    const detached: Record<string, PageState> = {};
    for (const [pfn, place] of this.firstPlace) {
      if (inFile.has(pfn)) continue;
      const state = decodePage(pfn, this.pages, this.layout, this.oneBased);
      if (state === null || isIdle(state, this.oneBased ? 1 : 0)) continue;
      detached[place] = state;
    }
    const unasked = [...this.unasked];
    this.observations.push({ ...this.pending, woken: this.woken, files, unasked, detached });
    this.woken = [];
    this.unasked.clear();
  }

  end(): void {
    const last = this.observations.at(-1)?.op ?? -1;
    for (const pages of this.files) pages.fill(null);
    // What woke up while everything was undone belongs to the end.
    if (this.troubles.some((t) => t.startsWith("stuck"))) {
      const woken = this.woken;
      const nothing = { errno: 0, files: [], unasked: [], detached: {} };
      this.observations.push({ op: last + 1, status: "blocked", woken, ...nothing });
      return;
    }
    this.outcome(last + 1, "done", 0);
    this.observe();
  }
}

/**
 * Reads a whole log.
 *
 * @param layout Of the kernel that wrote it: see `pageLayout`.
 * @throws PL506 when a line cannot be understood.
 */
export function readGuestLog(text: string, layout: PageLayout): GuestLog {
  const runs: GuestRun[] = [];
  let run: Run | null = null;
  let complete = false;
  let oneBased = true;
  const finish = (whole: boolean): void => {
    if (run === null) return;
    runs.push({ program: run.name, observations: run.observations, troubles: run.troubles, complete: whole });
    run = null;
  };
  let lineNumber = 0;
  for (const line of text.split("\n")) {
    lineNumber++;
    const [kind, ...f] = line.split(" ");
    const at = (i: number): number => Number(f[i]);
    if (kind === "P") {
      finish(false);
      run = new Run(f[0] ?? "", layout, oneBased);
    } else if (kind === "G") {
      if (f[0] !== "1")
        throw new PagelifeError("PL506", `the guest's log has form ${f[0] ?? "?"}, expected 1.`);
      oneBased = f[3] === "1";
    } else if (kind === "Z") {
      complete = true;
    } else if (run === null) {
      if (line !== "" && kind !== "X") {
        throw new PagelifeError(
          "PL506",
          `line ${lineNumber} of the guest's log, outside of a program: "${line}"`,
        );
      }
    } else {
      switch (kind) {
        case "F":
          run.file(at(0), at(1));
          break;
        case "U":
          run.notAsked(at(0));
          break;
        case "B":
          run.back(at(0), at(1), f[2] === "-" ? null : Number.parseInt(f[2] ?? "", 16));
          break;
        case "S":
          run.words(
            Number.parseInt(f[0] ?? "", 16),
            f.slice(1).map((w) => BigInt(`0x${w}`)),
          );
          break;
        case "R": {
          const first = Number.parseInt(f[0] ?? "", 16);
          const words = f.slice(3).map((w) => BigInt(`0x${w}`));
          const step = BigInt(f[2] ?? "0");
          for (let i = 0; i < Number.parseInt(f[1] ?? "", 16); i++) {
            run.words(first + i, words.with(INDEX_WORD, (words[INDEX_WORD] ?? 0n) + step * BigInt(i)));
          }
          break;
        }
        case "O":
          run.outcome(at(0), f[1] as Status, at(2));
          break;
        case "D":
          run.wake(at(0), at(1));
          break;
        case "I":
        case "T":
          run.observe();
          break;
        case "E":
          run.end();
          finish(true);
          break;
        case "X":
          run.troubles.push(f.join(" "));
          break;
        default:
          if (line !== "") {
            throw new PagelifeError("PL506", `line ${lineNumber} of the guest's log: "${line}"`);
          }
      }
    }
  }
  finish(false);
  return { runs, complete };
}
