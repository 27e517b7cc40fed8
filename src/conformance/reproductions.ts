// Workloads that drive a real machine into a scenario of the catalogue, or into a rule of the memory type,
// and what is to be seen there on kernels with one-based and with zero-based counts of FS-DAX pages.
import type { Observation, PageState } from "./observation.ts";
import type { Operation, Program } from "./program.ts";

/** Counts of FS-DAX pages until 6.14 (an idle page has 1), and since (an idle page has 0). */
export type Era = "one-based" | "zero-based";

/** What one operation is expected to come to. What is not named is not looked at. */
export interface Expected {
  readonly op: number;
  readonly era?: Era;
  /** First release, [major, minor], of which it is expected. */
  readonly since?: readonly [number, number];
  readonly status?: Observation["status"];
  readonly errno?: number;
  /** Which earlier operation ends here. */
  readonly wakes?: number;
  /** A page in a file, `0/3`, or one that no file has any more. */
  readonly page?: { readonly place: string } & Partial<PageState>;
}

export interface Reproduction {
  readonly name: string;
  readonly question: string;
  /** The scenario of the catalogue that searches for the same. */
  readonly scenario: string | null;
  readonly programs: readonly Program[];
  readonly expected: readonly Expected[];
  /** What it means when all is as expected, by era. */
  readonly verdict: Readonly<Record<Era, string>>;
}

const on = (
  fs: readonly Program["fs"][],
  name: string,
  files: readonly Partial<Program["files"][number]>[],
  ops: readonly Operation[],
): Program[] =>
  fs.map((f) => ({
    name: `${name}.${f}`,
    fs: f,
    files: files.map((x) => ({ pages: 2, allocated: x.pages ?? 2, huge: false, watch: 0, ...x })),
    ops: [...ops],
  }));

const map: Operation = {
  op: "mmap",
  proc: 0,
  map: 0,
  file: 0,
  page: 0,
  pages: 2,
  shared: true,
  writable: true,
};
const unmap: Operation = { op: "munmap", proc: 0, map: 0, page: 0, pages: 2 };
const touch: Operation = { op: "touch", proc: 0, map: 0, page: 0, write: true };
const pin: Operation = {
  op: "pin",
  proc: 0,
  pin: 0,
  map: 0,
  page: 0,
  pages: 1,
  how: "odirect",
  write: false,
};
const unpin: Operation = { op: "unpin", proc: 0, pin: 0 };
const punch: Operation = { op: "punch", proc: 1, file: 0, page: 0, pages: 1 };
const truncate: Operation = { op: "truncate", proc: 1, file: 0, size: 0 };
const register: Operation = { ...pin, how: "io_uring" };

const both = ["ext4", "xfs"] as const;
const EOPNOTSUPP = 95;
/** As the guest writes it where the process died in the kernel. */
const ECHILD = 10;
const SIGBUS = 1007;

export const reproductions: readonly Reproduction[] = [
  {
    name: "refault-during-wait",
    question: "Does a punch hole end after the last unpin if the page was touched again while it waited?",
    scenario: "refault-during-wait",
    programs: on(both, "refault-during-wait", [{}], [map, touch, pin, punch, touch, unpin, unmap]),
    expected: [
      { op: 3, status: "blocked" },
      { op: 5, era: "one-based", wakes: 3 },
      {
        op: 5,
        era: "zero-based",
        page: { place: "0/0", refcount: 1, mapcount: 1, pincount: 0, mapping: "file" },
      },
      { op: 6, era: "zero-based", wakes: 3 },
    ],
    verdict: {
      "one-based": "the punch hole ends with the last unpin: an idle page counts 1, mapped or not",
      "zero-based":
        "no pin is left, the page is mapped again and counts 1, and the punch hole sleeps on until it is unmapped",
    },
  },
  {
    name: "pinned-unmapped-truncate",
    question: "Does truncate wait for a pin on a page that no process maps any more?",
    scenario: null,
    programs: on(both, "pinned-unmapped-truncate", [{}], [map, touch, pin, unmap, truncate, unpin]),
    expected: [
      { op: 4, era: "one-based", status: "done" },
      {
        op: 4,
        era: "one-based",
        page: { place: "0/0", refcount: 1025, pincount: 1, mapping: "none" },
      },
      { op: 4, era: "zero-based", status: "blocked" },
      { op: 5, era: "zero-based", wakes: 4 },
    ],
    verdict: {
      "one-based":
        "truncate does not wait: a file that nobody maps is not looked at, and the block is free while it is pinned",
      "zero-based": "truncate waits for the pin",
    },
  },
  {
    name: "unpin-vs-punch-hole",
    question: "Does the last unpin wake the punch hole that waits for it?",
    scenario: "unpin-vs-punch-hole",
    programs: on(both, "unpin-vs-punch-hole", [{}], [map, touch, pin, punch, unpin, unmap]),
    expected: [
      { op: 3, status: "blocked" },
      { op: 4, wakes: 3 },
    ],
    verdict: { "one-based": "it does", "zero-based": "it does" },
  },
  {
    name: "longterm-policy",
    question: "May a long-term pin be taken on a page of a DAX file?",
    scenario: null,
    programs: on(
      both,
      "longterm-policy",
      [{}],
      [map, touch, register, { ...map, map: 1, shared: false }, { ...register, map: 1 }],
    ),
    expected: [
      { op: 2, errno: EOPNOTSUPP },
      { op: 2, era: "one-based", page: { place: "0/0", refcount: 1, pincount: 0 } },
      { op: 2, era: "zero-based", page: { place: "0/0", refcount: 1, mapcount: 1, pincount: 0 } },
      { op: 4, errno: EOPNOTSUPP },
    ],
    verdict: {
      "one-based": "no: registering a buffer with io_uring fails with EOPNOTSUPP, shared or private",
      "zero-based": "no: registering a buffer with io_uring fails with EOPNOTSUPP, shared or private",
    },
  },
  {
    name: "fsdax-shared-blocks",
    question: "How does a page say that several files have its block?",
    scenario: null,
    programs: on(
      ["xfs"],
      "fsdax-shared-blocks",
      [{}, { pages: 2, allocated: 0 }],
      [
        { op: "reflink", proc: 1, file: 1, from: 0 },
        map,
        { ...touch, write: false },
        { ...map, map: 1, file: 1 },
        { ...touch, map: 1, write: false },
      ],
    ),
    expected: [
      { op: 0, errno: 0 },
      { op: 2, era: "one-based", page: { place: "0/0", mapping: "shared", refcount: 1 } },
      { op: 2, era: "zero-based", page: { place: "0/0", mapping: "file", refcount: 1, mapcount: 1 } },
      { op: 4, page: { place: "0/0", mapping: "shared" } },
      { op: 4, era: "zero-based", page: { place: "0/0", refcount: 2, mapcount: 2 } },
    ],
    verdict: {
      "one-based": "from its first mapping on: mapping is PAGE_MAPPING_DAX_SHARED",
      "zero-based": "from its second file on: mapping is NULL and share counts the files",
    },
  },
  {
    name: "pin-of-shared-page",
    question: "Can a page be pinned for reading whose block several files have?",
    scenario: "read-pin-vs-munmap-of-second-file",
    programs: on(
      ["xfs"],
      "pin-of-shared-page",
      [{}, { pages: 2, allocated: 0 }],
      [{ op: "reflink", proc: 1, file: 1, from: 0 }, map, { ...touch, write: false }, pin, unpin],
    ),
    expected: [
      // Before 6.5 direct I/O takes references, not pins, and does not come here.
      { op: 3, era: "one-based", since: [6, 5], status: "spins" },
      { op: 3, era: "zero-based", status: "done", errno: 0, page: { place: "0/0", pincount: 1 } },
    ],
    verdict: {
      "one-based":
        "no: its mapping says PAGE_MAPPING_DAX_SHARED, which looks like an anonymous page that must be unshared, and GUP tries without end",
      "zero-based": "yes",
    },
  },
  {
    name: "poison-of-shared-page",
    question: "Does memory failure find out who has a page whose block several files have?",
    scenario: "memory-failure-vs-second-file",
    programs: on(
      ["xfs"],
      "poison-of-shared-page",
      [{}, { pages: 2, allocated: 0 }],
      [
        { op: "reflink", proc: 1, file: 1, from: 0 },
        map,
        { ...touch, write: false },
        { op: "poison", proc: 0, map: 0, page: 0 },
      ],
    ),
    expected: [
      { op: 3, era: "one-based", since: [6, 2], errno: ECHILD },
      { op: 3, era: "zero-based", errno: SIGBUS, page: { place: "0/0", refcount: 0, mapcount: 0 } },
    ],
    verdict: {
      "one-based":
        "no: XFS does not know owners of blocks here (rmapbt=0), so the page is asked; dax_lock_folio() takes PAGE_MAPPING_DAX_SHARED for an address, and the kernel crashes",
      "zero-based":
        "of the one file that has it mapped: the mapping is noted until a second file maps the page",
    },
  },
  {
    name: "munmap-vs-memory-failure-of-tail",
    question: "Does a process lose a bad page that it maps by itself, if that lies in the middle of a folio?",
    scenario: "munmap-vs-memory-failure-of-tail",
    programs: on(
      ["ext4"],
      "munmap-vs-memory-failure-of-tail",
      [{ pages: 512, allocated: 512, huge: true, watch: 2 }],
      [
        { ...map, pages: 512 },
        touch,
        { ...map, proc: 1, page: 1, pages: 1 },
        { ...touch, proc: 1, page: 1, write: false },
        { op: "poison", proc: 1, map: 0, page: 1 },
      ],
    ),
    expected: [
      { op: 4, status: "done" },
      { op: 4, era: "one-based", errno: SIGBUS, page: { place: "0/1", mapcount: 0 } },
      { op: 4, era: "zero-based", errno: 0, page: { place: "0/1", mapcount: 2 } },
    ],
    verdict: {
      "one-based": "yes: the page is looked for, and its entry goes",
      "zero-based": "no: who maps the head of the folio is looked for, and nobody is found",
    },
  },
  {
    name: "truncate-vs-dirty-page",
    question: "Is a page that was stored to still known as dirty after another part of the file was cut off?",
    scenario: "truncate-vs-dirty-page",
    programs: on(both, "truncate-vs-dirty-page", [{}], [map, touch, { ...truncate, size: 1 }]),
    expected: [
      { op: 2, era: "one-based", page: { place: "0/0", mapping: "file" } },
      { op: 2, era: "zero-based", page: { place: "0/0", refcount: 0, mapcount: 0, mapping: "none" } },
    ],
    verdict: {
      "one-based": "yes: its entry stays",
      "zero-based":
        "no: its entry went with those of the whole file, and the dirty mark with it; fsync() finds nothing",
    },
  },
  {
    name: "truncate-vs-dirty-huge-page",
    question:
      "Is a page that was stored to still known as dirty after the rest of its huge page was cut off?",
    scenario: "truncate-vs-dirty-huge-page",
    programs: on(
      both,
      "truncate-vs-dirty-huge-page",
      [{ pages: 512, allocated: 512, huge: true, watch: 2 }],
      [{ ...map, pages: 512 }, touch, { ...truncate, size: 1 }],
    ),
    expected: [
      { op: 2, era: "one-based", page: { place: "0/0", mapping: "none" } },
      { op: 2, era: "zero-based", page: { place: "0/0", refcount: 0, mapcount: 0, mapping: "none" } },
    ],
    verdict: {
      "one-based":
        "no: the entry of the huge page goes as a whole, and the dirty mark with it; fsync() finds nothing",
      "zero-based": "no: the entry of the huge page went before, with those of the whole file",
    },
  },
  {
    name: "copying-store-vs-punch-of-second-file",
    question: "Is a block freed to which there is a reference from before a store copied it?",
    scenario: "copying-store-vs-punch-of-second-file",
    programs: on(
      ["xfs"],
      "copying-store-vs-punch-of-second-file",
      [{}, { allocated: 0 }],
      [
        { op: "reflink", proc: 1, file: 1, from: 0 },
        map,
        { ...touch, write: false },
        { ...pin, how: "vmsplice" },
        touch,
        { ...punch, file: 1 },
      ],
    ),
    expected: [
      { op: 5, status: "done" },
      { op: 5, era: "one-based", page: { place: "0/0", refcount: 2, mapcount: 0, mapping: "none" } },
      { op: 5, era: "zero-based", page: { place: "0/0", refcount: 1, mapcount: 0, mapping: "none" } },
    ],
    verdict: {
      "one-based": "yes: no file has the page any more, and the reference is there still",
      "zero-based": "yes: no file has the page any more, and the reference is there still",
    },
  },
  {
    name: "copying-write-vs-huge-mapping",
    question: "What becomes of a 2 MiB mapping of shared blocks when write(2) copies one of them?",
    scenario: "copying-write-vs-huge-mapping",
    programs: on(
      ["xfs"],
      "copying-write-vs-huge-mapping",
      [
        { pages: 512, allocated: 512, huge: true, watch: 4 },
        { pages: 512, allocated: 0, watch: 4 },
      ],
      [
        { op: "reflink", proc: 1, file: 1, from: 0 },
        { ...map, pages: 512 },
        { ...touch, write: false },
        { op: "write", proc: 2, file: 0, page: 0, pages: 1 },
        { ...unmap, pages: 512 },
      ],
    ),
    expected: [
      { op: 2, era: "zero-based", page: { place: "0/1", refcount: 1, mapcount: 1, flags: ["tail"] } },
      { op: 3, era: "one-based", page: { place: "0/1", refcount: 1, mapping: "none" } },
      { op: 3, era: "zero-based", page: { place: "0/1", flags: [] } },
    ],
    verdict: {
      "one-based": "it is taken away, and each page counts for itself",
      "zero-based":
        "the folio is taken apart while it is mapped: the kernel warns, and what is unmapped next is no folio any more",
    },
  },
  {
    name: "fsdax-huge",
    question: "What does a 2 MiB mapping of a DAX file count?",
    scenario: null,
    programs: on(
      both,
      "fsdax-huge",
      [{ pages: 512, allocated: 512, huge: true, watch: 4 }],
      [
        { ...map, pages: 512 },
        touch,
        { ...map, map: 1, pages: 512 },
        { ...touch, map: 1 },
        { ...pin, page: 0, pages: 2 },
        unpin,
        { ...unmap, map: 1, pages: 512 },
      ],
    ),
    expected: [
      { op: 1, era: "one-based", page: { place: "0/1", refcount: 1, mapcount: 0, flags: [] } },
      { op: 1, era: "zero-based", page: { place: "0/0", refcount: 1, mapcount: 1, flags: ["head"] } },
      { op: 3, era: "zero-based", page: { place: "0/1", refcount: 2, mapcount: 2, flags: ["tail"] } },
      { op: 4, era: "one-based", page: { place: "0/1", refcount: 1025, pincount: 1 } },
      { op: 4, era: "zero-based", page: { place: "0/0", refcount: 4, pincount: 2 } },
      { op: 6, era: "zero-based", page: { place: "0/0", refcount: 1, mapcount: 1, pincount: 0 } },
    ],
    verdict: {
      "one-based": "nothing: each of the 512 pages is its own folio, and a pin counts on the page it takes",
      "zero-based":
        "one reference and one mapping of a folio of 512 pages; a pin counts 1 there and in _pincount",
    },
  },
];

export interface Judgement {
  readonly program: Program;
  /** Which expectations were not met, in words; empty when all were. */
  readonly unmet: readonly string[];
}

function pageUnmet(expected: NonNullable<Expected["page"]>, o: Observation): string[] {
  const { place, ...fields } = expected;
  const [file = 0, page = 0] = place.split("/").map(Number);
  const behind = o.files[file]?.[page];
  const state = o.detached[place] ?? behind;
  if (state === undefined || typeof state === "string") return [`page ${place} is ${state ?? "not there"}`];
  return Object.entries(fields).flatMap(([name, value]) => {
    const seen = state[name as keyof PageState];
    return String(seen) === String(value) ? [] : [`${name} of page ${place} is ${seen}, expected ${value}`];
  });
}

/** The era of a release such as `6.12.117+deb12-amd64`. */
export function eraOf(release: string): Era {
  const [, major = "0", minor = "0"] = /^(\d+)\.(\d+)/.exec(release) ?? [];
  return Number(major) * 1000 + Number(minor) >= 6015 ? "zero-based" : "one-based";
}

/** Holds what a kernel did against what is expected of its release. */
export function judge(
  reproduction: Reproduction,
  program: Program,
  observations: readonly Observation[],
  release: string,
): Judgement {
  const unmet: string[] = [];
  const [, major = "0", minor = "0"] = /^(\d+)\.(\d+)/.exec(release) ?? [];
  const era = eraOf(release);
  for (const e of reproduction.expected) {
    if (e.era !== undefined && e.era !== era) continue;
    if (e.since !== undefined && Number(major) * 1000 + Number(minor) < e.since[0] * 1000 + e.since[1])
      continue;
    const o = observations.find((x) => x.op === e.op);
    if (o === undefined) {
      unmet.push(`operation ${e.op} was not reached`);
      continue;
    }
    if (e.status !== undefined && o.status !== e.status) {
      unmet.push(`operation ${e.op} is ${o.status}, expected ${e.status}`);
    }
    if (e.errno !== undefined && o.errno !== e.errno) {
      unmet.push(`operation ${e.op} gives errno ${o.errno}, expected ${e.errno}`);
    }
    if (e.wakes !== undefined && !o.woken.some((w) => w.op === e.wakes)) {
      unmet.push(`operation ${e.wakes} does not end with operation ${e.op}`);
    }
    if (e.page !== undefined) unmet.push(...pageUnmet(e.page, o).map((t) => `after operation ${e.op}: ${t}`));
  }
  return { program, unmet };
}
