// Random workloads. fast-check draws a list of small choices; the choices are turned into operations
// that make sense at that point (a mapping that exists, a pin that is held), so every list is a valid
// program and shrinking a failure is shortening a list.
import type { Operation, PinHow, Program } from "./program.ts";

/** What random programs may contain. */
export interface Features {
  readonly fs: readonly Program["fs"][];
  readonly pins: readonly PinHow[];
  readonly privateMaps: boolean;
  readonly fork: boolean;
  readonly write: boolean;
  readonly reflink: boolean;
  readonly mlock: boolean;
  readonly fsync: boolean;
  readonly dontneed: boolean;
  readonly huge: boolean;
  readonly poison: boolean;
  readonly umount: boolean;
}

/** All that the guest knows. */
export const allFeatures: Features = {
  fs: ["ext4", "xfs"],
  pins: ["odirect", "vmsplice", "io_uring"],
  privateMaps: true,
  fork: true,
  write: true,
  reflink: true,
  mlock: true,
  fsync: true,
  dontneed: true,
  huge: true,
  poison: true,
  umount: true,
};

/** One choice: which operation, and up to four numbers that select what it acts on. */
export interface Choice {
  readonly kind: number;
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly d: number;
}

/** The first choices of a program, which say what it starts from. */
export interface Opening {
  readonly fs: number;
  readonly files: number;
  readonly pages: number;
  readonly allocated: number;
  readonly huge: boolean;
}

interface MapState {
  readonly file: number;
  readonly page: number;
  readonly pages: number;
  readonly shared: boolean;
  readonly writable: boolean;
}

interface ProcessState {
  readonly maps: Map<number, MapState>;
  readonly pins: Map<number, { readonly file: number }>;
}

/** Processes 0 and 1 map and pin and may fork 2 and 3; 4 to 7 change files, one at a time. */
const MAPPERS = [0, 1] as const;
const CHILDREN = [2, 3] as const;
const CHANGERS = [4, 5, 6, 7] as const;

const HUGE_PAGES = 512;

/** Keeps track of what exists, so that each choice becomes an operation that can be carried out. */
class Builder {
  readonly ops: Operation[] = [];
  private readonly processes = new Map<number, ProcessState>();
  /**
   * Files with an operation that may be asleep. No other operation on the file itself until that one has
   * surely ended: no pins are left, and the file has not been mapped anew since (where a mapping keeps
   * the count up, the wait goes on).
   */
  private readonly waiting = new Map<number, { readonly changer: number; touched: boolean }>();
  private readonly everForked = new Set<number>();
  /** Files with bad pages keep their blocks: which file gets one next is the file system's affair. */
  private readonly poisoned = new Set<number>();
  /** The file system is not mounted, or just going; pins may hold that up. */
  private unmounted = false;
  private nextChanger = 0;

  private readonly features: Features;
  private readonly fs: Program["fs"];
  private readonly files: Program["files"];

  constructor(features: Features, fs: Program["fs"], files: Program["files"]) {
    this.features = features;
    this.fs = fs;
    this.files = files;
    for (const p of MAPPERS) this.processes.set(p, { maps: new Map(), pins: new Map() });
  }

  private process(n: number): { id: number; state: ProcessState } {
    const ids = [...this.processes.keys()];
    const id = ids[n % ids.length] ?? 0;
    return { id, state: this.processes.get(id) ?? { maps: new Map(), pins: new Map() } };
  }

  private mapOf(n: number, m: number): { proc: number; map: number; state: MapState } | null {
    const all = [...this.processes].flatMap(([proc, s]) =>
      [...s.maps].map(([map, state]) => ({ proc, map, state })),
    );
    return all[(n * 7 + m) % Math.max(1, all.length)] ?? null;
  }

  private pinnedFiles(): Set<number> {
    const files = new Set<number>();
    for (const { pins } of this.processes.values()) for (const { file } of pins.values()) files.add(file);
    return files;
  }

  private freeChanger(): number | null {
    const asleep = new Set([...this.waiting.values()].map((w) => w.changer));
    for (let i = 0; i < CHANGERS.length; i++) {
      const id = CHANGERS[(this.nextChanger + i) % CHANGERS.length] ?? 4;
      if (asleep.has(id)) continue;
      this.nextChanger = (this.nextChanger + i + 1) % CHANGERS.length;
      return id;
    }
    return null;
  }

  /** A part of a file: mostly single pages, as that is where counts differ. */
  private range(size: number, at: number, n: number): { page: number; pages: number } {
    const page = size > 8 ? (at % 4) * ((size / 4) | 0) + (at % 3) : at % size;
    const want = [1, 1, 2, 4, 8, size][n % 6] ?? 1;
    return { page, pages: Math.max(1, Math.min(want, size - page)) };
  }

  private changeFile(file: number, make: (proc: number) => Operation): void {
    if (this.waiting.has(file)) return;
    const proc = this.freeChanger();
    if (proc === null) return;
    this.ops.push(make(proc));
    if (this.pinnedFiles().size > 0) this.waiting.set(file, { changer: proc, touched: false });
  }

  private settle(): void {
    if (this.pinnedFiles().size > 0) return;
    if (this.unmounted) {
      this.unmounted = false;
      this.ops.push({ op: "mount", proc: this.freeChanger() ?? 4 });
    }
    const mapped = new Set(
      [...this.processes.values()].flatMap((p) => [...p.maps.values()].map((m) => m.file)),
    );
    for (const [file, { touched }] of this.waiting) {
      if (!touched || !mapped.has(file)) this.waiting.delete(file);
    }
  }

  /** Notes that a file's pages are mapped anew. */
  private mapsAnew(file: number): void {
    const waiting = this.waiting.get(file);
    if (waiting !== undefined) waiting.touched = true;
  }

  /** Takes every mapping away and unmounts; what is pinned stays pinned. */
  private umount(): void {
    // After the next mount v6.1 does not use DAX for a file that shares blocks (fs/xfs/xfs_iops.c:xfs_inode_supports_dax()).
    if (this.waiting.size > 0 || this.ops.some((o) => o.op === "reflink")) return;
    const proc = this.freeChanger();
    if (proc === null) return;
    for (const [id, { maps }] of this.processes) {
      for (const [map, { page, pages }] of maps) this.ops.push({ op: "munmap", proc: id, map, page, pages });
      maps.clear();
    }
    this.ops.push({ op: "umount", proc });
    this.unmounted = true;
    this.settle();
  }

  /** A page of a file goes bad. It is stored to first, so that it is no page of zeroes, which all files have in common. */
  private poison(m: ReturnType<Builder["mapOf"]>, at: number): void {
    if (m === null || !m.state.shared || !m.state.writable) return;
    // A page that is marked as shared: see "poison-of-shared-page" in reproductions.ts.
    if (this.fs === "xfs" && this.files.length > 1) return;
    const { page } = this.range(m.state.pages, at, 0);
    const place = { proc: m.proc, map: m.map, page: m.state.page + page };
    this.mapsAnew(m.state.file);
    this.poisoned.add(m.state.file);
    this.ops.push({ op: "touch", ...place, write: true }, { op: "poison", ...place });
  }

  add({ kind, a, b, c, d }: Choice): void {
    const features = this.features;
    const file = a % this.files.length;
    const size = this.files[file]?.pages ?? 1;
    // Nobody has a file open then.
    if (this.unmounted && kind % 18 !== 8 && kind % 18 !== 9) return;
    switch (kind % 18) {
      case 0:
      case 1: {
        const { id, state } = this.process(b);
        if (state.maps.size >= 3) return;
        const used = new Set(state.maps.keys());
        const map = [0, 1, 2, 3].find((m) => !used.has(m)) ?? 0;
        const whole = d % 3 !== 0;
        const { page, pages } = whole ? { page: 0, pages: size } : this.range(size, c, d >> 2);
        const shared = !features.privateMaps || d % 5 !== 0;
        const writable = d % 7 !== 0;
        state.maps.set(map, { file, page, pages, shared, writable });
        this.ops.push({ op: "mmap", proc: id, map, file, page, pages, shared, writable });
        return;
      }
      case 2:
      case 3:
      case 4:
      case 5: {
        const m = this.mapOf(a, b);
        if (m === null) return;
        const offset = m.state.pages > 8 ? this.range(m.state.pages, c, 0).page : c % m.state.pages;
        const write = m.state.writable && d % 2 === 0;
        this.mapsAnew(m.state.file);
        this.ops.push({ op: "touch", proc: m.proc, map: m.map, page: m.state.page + offset, write });
        return;
      }
      case 6:
      case 7: {
        const m = this.mapOf(a, b);
        if (m === null || features.pins.length === 0) return;
        const { pins } = this.processes.get(m.proc) ?? { pins: new Map() };
        const used = new Set([...this.processes.values()].flatMap((s) => [...s.pins.keys()]));
        const pin = [0, 1, 2, 3, 4, 5, 6, 7].find((p) => !used.has(p));
        if (pin === undefined || pins.size >= 3) return;
        const how = features.pins[d % features.pins.length] ?? "odirect";
        const { page, pages } = this.range(m.state.pages, c, d >> 1);
        const write = how === "odirect" && m.state.writable && (d >> 2) % 2 === 0;
        this.mapsAnew(m.state.file);
        const op: Operation = {
          op: "pin",
          proc: m.proc,
          pin,
          map: m.map,
          page: m.state.page + page,
          pages: Math.min(pages, 4),
          how,
          write,
        };
        this.ops.push(op);
        if (how !== "io_uring") pins.set(pin, { file: m.state.file });
        return;
      }
      case 8:
      case 9: {
        const held = [...this.processes].flatMap(([proc, s]) =>
          [...s.pins.keys()].map((pin) => ({ proc, pin })),
        );
        const h = held[a % Math.max(1, held.length)];
        if (h === undefined) return;
        this.processes.get(h.proc)?.pins.delete(h.pin);
        this.ops.push({ op: "unpin", proc: h.proc, pin: h.pin });
        this.settle();
        return;
      }
      case 10: {
        const m = this.mapOf(a, b);
        if (m === null) return;
        this.processes.get(m.proc)?.maps.delete(m.map);
        this.ops.push({ op: "munmap", proc: m.proc, map: m.map, page: m.state.page, pages: m.state.pages });
        this.settle();
        return;
      }
      case 11: {
        if (this.poisoned.has(file)) return;
        const { page, pages } = this.range(size, b, c);
        this.changeFile(file, (proc) => ({ op: "punch", proc, file, page, pages }));
        return;
      }
      case 12: {
        if (this.poisoned.has(file)) return;
        const to = [0, size, (size / 2) | 0, b % (size + 1)][c % 4] ?? 0;
        this.changeFile(file, (proc) => ({ op: "truncate", proc, file, size: to }));
        return;
      }
      case 13: {
        if (!features.fork) return;
        const { id, state } = this.process(a);
        const child = CHILDREN.find((n) => !this.everForked.has(n));
        if (child === undefined || CHILDREN.some((n) => n === id)) {
          // A second chance for this number: a child ends.
          const ending = CHILDREN.find((n) => this.processes.has(n));
          if (ending === undefined || (this.processes.get(ending)?.pins.size ?? 0) > 0) return;
          this.processes.delete(ending);
          this.ops.push({ op: "exit", proc: ending });
          this.settle();
          return;
        }
        this.everForked.add(child);
        this.processes.set(child, { maps: new Map(state.maps), pins: new Map() });
        this.ops.push({ op: "fork", proc: id, child });
        return;
      }
      case 14: {
        if (this.waiting.has(file)) return;
        const { page, pages } = this.range(size, b, c);
        if (features.write && d % 2 === 0) {
          this.changeFile(file, (proc) => ({ op: "write", proc, file, page, pages }));
        } else if (features.reflink && this.fs === "xfs" && this.files.length > 1) {
          const from = (file + 1) % this.files.length;
          // With a page of the other file in use, XFS locks and looks again without end and without sleeping.
          if (this.waiting.has(from) || this.pinnedFiles().size > 0) return;
          this.changeFile(file, (proc) => ({ op: "reflink", proc, file, from }));
        } else if (features.fsync) {
          this.changeFile(file, (proc) => ({ op: "fsync", proc, file }));
        }
        return;
      }
      case 15:
        if (features.poison) this.poison(this.mapOf(a, b), c);
        return;
      case 16:
        if (features.umount) this.umount();
        return;
      default: {
        const m = this.mapOf(a, b);
        if (m === null) return;
        const { page, pages } = this.range(m.state.pages, c, d);
        if (features.dontneed && d % 2 === 0) {
          this.ops.push({ op: "dontneed", proc: m.proc, map: m.map, page: m.state.page + page, pages });
        } else if (features.mlock) {
          this.mapsAnew(m.state.file);
          this.ops.push({ op: "mlock", proc: m.proc, map: m.map, page: m.state.page + page, pages });
        }
      }
    }
  }
}

/** The program that an opening and a list of choices make. The same choices make the same program. */
export function buildProgram(
  name: string,
  opening: Opening,
  choices: readonly Choice[],
  features: Features,
): Program {
  const fs = features.fs[opening.fs % features.fs.length] ?? "ext4";
  // A quarter of them: a machine takes its time to write 512 pages, and the subsystem to look at them.
  const huge = features.huge && opening.huge && opening.pages % 4 === 0;
  const pages = huge ? HUGE_PAGES : 1 + (opening.pages % 8);
  const files: Program["files"] = Array.from({ length: 1 + (opening.files % 2) }, (_, i) => ({
    pages,
    allocated:
      huge || opening.allocated % 4 !== 0 || i === 1 ? pages : (opening.allocated >> 2) % (pages + 1),
    huge,
    watch: 0,
  }));
  const builder = new Builder(features, fs, files);
  for (const choice of choices) builder.add(choice);
  return { name, fs, files, ops: builder.ops };
}
