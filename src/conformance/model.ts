// Runs a workload on the subsystem, one operation after the other, as the guest does on a real kernel:
// an operation that sleeps stays asleep while the others go on, and is looked after each time. No
// interleaving is explored here; that is what `check` is for.
import { PagelifeBug } from "../base/assert.ts";
import type { Pfn } from "../base/brand.ts";
import { Arena, type Cell, type Code, cell, Failure, modelled, type See } from "../explore/access.ts";
import { type Frame, running } from "../explore/frames.ts";
import { perform } from "../explore/operation.ts";
import { Interner, type Value } from "../explore/value.ts";
import { countsOf, headOf } from "../kernel/counts.ts";
import { FALLOC_FL_PUNCH_HOLE } from "../kernel/include/linux/fs.ts";
import { pfn_to_page } from "../kernel/include/linux/mm.ts";
import {
  type Inode,
  type MmStruct,
  PAGE_MAPPING_DAX_SHARED,
  type Page,
  VM_HUGEPAGE,
  VM_SHARED,
  VM_WRITE,
  type VmArea,
} from "../kernel/include/linux/mm_types.ts";
import { type Kernel, type KernelVersion, runKernel } from "../kernel/kernel.ts";
import { FOLL_LONGTERM, FOLL_WRITE } from "../kernel/mm/gup-flags.ts";
import { createFile, createProcess, mountDax } from "../kernel/setup.ts";
import { newWorld } from "../kernel/world.ts";
import type { Backing, Observation, PageState, Status, Subject } from "./observation.ts";
import { limits, type Operation, type Program } from "./program.ts";
import type { Features } from "./random-program.ts";

const ENOMEM = 12;
const EINVAL = 22;
/** x86-64: a table of page-table entries maps 2 MiB. */
const GEOMETRY = { PTRS_PER_PTE: 512, PTRS_PER_PMD: 512 };
/** Page frame number of the first block, where a huge page can begin. */
const FIRST_BLOCK = 0x40000;
/** SIGBUS, as the guest writes it. */
const SIGBUS = 1007;
const PINS_PER_REFCOUNT = 1024;

/** What the subsystem can run; random programs for comparisons are drawn from this. */
export const modelFeatures: Features = {
  fs: ["ext4", "xfs"],
  pins: ["odirect", "vmsplice", "io_uring"],
  privateMaps: false,
  fork: true,
  write: true,
  reflink: true,
  mlock: true,
  fsync: true,
  dontneed: true,
  huge: false,
};

/**
 * How direct I/O on a block device takes its pages. That is the block layer's affair, which the subsystem
 * leaves out; programs need it as the way to hold a page.
 */
interface DirectIo {
  /** FOLL_GET until 6.4 (`block/bio.c:__bio_iov_iter_get_pages()`), FOLL_PIN since. */
  readonly takes: "pin" | "get";
  /** A request ends where memory of another device begins (`lib/iov_iter.c:iov_iter_extract_bvecs()`). */
  readonly oneDevice: boolean;
}

const directIo: Readonly<Record<string, DirectIo>> = {
  "v5.10": { takes: "get", oneDevice: false },
  "v5.18": { takes: "get", oneDevice: false },
  "v6.1": { takes: "get", oneDevice: false },
  "v6.12": { takes: "pin", oneDevice: false },
  "v6.15": { takes: "pin", oneDevice: false },
  "v7.2": { takes: "pin", oneDevice: true },
};

const isDevice = (k: Kernel, page: Page | undefined): boolean => page !== k.world.zero_page;

/** An operation that the subsystem does not have yet. */
class Unsupported extends Error {}

/** Operations under way: generators over the cells, run one at a time until each ends or sleeps. */
class Machine {
  readonly #arena = new Arena();
  readonly #memory: Value[] = [];
  readonly #interner = new Interner();

  /** Makes cells and objects; the subsystem lets that happen within setup only. */
  within<T>(body: () => T): T {
    const made = this.#arena.within(body);
    this.#fill();
    return made;
  }

  #fill(): void {
    const { cells } = this.#arena;
    for (let i = this.#memory.length; i < cells.length; i++) {
      this.#memory.push(this.#interner.canonical(cells[i]?.initial));
    }
  }

  see<T extends Value>(cell: Cell<T>): T {
    return this.#memory[cell.id] as T;
  }

  start(body: Code<number>): Activity {
    return { body, turn: null, stack: [], result: null };
  }

  /** Runs an activity until it ends or cannot go on. Returns true if it made a step. */
  advance(activity: Activity): boolean {
    let moved = false;
    while (activity.result === null) {
      if (activity.turn === null) {
        this.#resume(activity, undefined);
        continue;
      }
      const done = perform(activity.turn, this.#memory);
      if (done === null) break;
      for (const { cell, value } of done.writes) this.#memory[cell] = this.#interner.canonical(value);
      moved = true;
      this.#resume(activity, this.#interner.canonical(done.result));
    }
    return moved;
  }

  #resume(activity: Activity, result: Value): void {
    const outer = { ...running };
    running.stack = activity.stack;
    running.listener = null;
    try {
      const step = this.#arena.within(() => activity.body.next(result));
      this.#fill();
      if (step.done) activity.result = step.value;
      else activity.turn = step.value;
    } finally {
      running.stack = outer.stack;
      running.listener = outer.listener;
    }
  }
}

interface Activity {
  readonly body: Code<number>;
  turn: Parameters<typeof perform>[0] | null;
  readonly stack: Frame[];
  /** The errno, once it has ended. */
  result: number | null;
}

interface Process {
  readonly kernel: Kernel;
  readonly mm: MmStruct;
  readonly maps: Map<number, VmArea>;
  readonly pins: Map<number, { readonly how: "pin" | "get"; readonly pages: readonly Page[] }>;
  alive: boolean;
  /** The operation that sleeps, if any. */
  asleep: { readonly op: number; readonly activity: Activity } | null;
}

class ModelRun {
  readonly #program: Program;
  readonly #machine = new Machine();
  readonly #processes: Process[];
  readonly #files: Inode[] = [];
  /** Virtual pages of one mapping. */
  readonly #slot: number;
  readonly #firstPlace = new Map<Pfn, string>();
  readonly #observations: Observation[] = [];
  readonly #idle: number;
  readonly #directIo: DirectIo;

  constructor(program: Program, version: KernelVersion) {
    this.#program = program;
    const [release = ""] = version.release.split("+");
    this.#directIo = directIo[release] ?? { takes: "pin", oneDevice: false };
    const made = this.#machine.within(() => {
      const tasks = Array.from({ length: limits.processes }, (_, i) => ({ name: `p${i}`, cpu: i }));
      const world = newWorld(tasks, "ipi", GEOMETRY);
      const [setup, ...others] = world.tasks.map((task) => runKernel(version, world, task));
      if (setup === undefined) throw new PagelifeBug("a world without a setup task");
      return { setup, others };
    });
    const { setup } = made;
    this.#idle = setup.fsdax_idle_count();
    const total = program.files.reduce((n, f) => n + f.pages, 0);
    // Twice the room, so that no block has to be used again while an old reference is still there.
    const sb = this.#machine.within(() => mountDax(setup, 2 * total, program.fs, FIRST_BLOCK));
    program.files.forEach((f, i) => {
      const files = this.#files;
      this.#alone(
        (function* create(): Code<number> {
          files.push(yield* createFile(setup, sb, `file${i}`, f.pages, f.allocated));
          return 0;
        })(),
      );
    });
    this.#slot = Math.max(...program.files.map((f) => f.pages));
    const slots = 1 + Math.max(0, ...program.ops.map((o) => (o.op === "mmap" ? o.map : 0)));
    this.#processes = made.others.map((kernel, i) => {
      const mm = this.#machine.within(() => createProcess(setup, `mm${i}`, slots * this.#slot));
      kernel.current.mm = mm;
      return { kernel, mm, maps: new Map(), pins: new Map(), alive: true, asleep: null };
    });
    for (const o of program.ops) if (o.op === "fork") this.#process(o.child).alive = false;
  }

  #process(n: number): Process {
    const found = this.#processes[n];
    if (found === undefined) throw new PagelifeBug(`there is no process ${n}`);
    return found;
  }

  #file(n: number): Inode {
    const found = this.#files[n];
    if (found === undefined) throw new PagelifeBug(`there is no file ${n}`);
    return found;
  }

  /** Runs something that may not sleep. */
  #alone(body: Code<number>): number {
    const activity = this.#machine.start(body);
    this.#machine.advance(activity);
    if (activity.result === null) throw new PagelifeBug("something that may not sleep sleeps");
    return activity.result;
  }

  run(): readonly Observation[] {
    this.#observe(-1, "done", 0);
    for (const [i, o] of this.#program.ops.entries()) {
      try {
        this.#one(i, o);
      } catch (error) {
        return this.#giveUp(i, error);
      }
    }
    try {
      this.#undo();
    } catch (error) {
      return this.#giveUp(this.#program.ops.length, error);
    }
    return this.#observations;
  }

  #giveUp(op: number, error: unknown): readonly Observation[] {
    const nothing = { op, errno: 0, woken: [], files: [], unasked: [], detached: {} };
    if (error instanceof Unsupported) this.#observations.push({ ...nothing, status: "unsupported" });
    else if (error instanceof Failure) {
      const failure = `${error.property}: ${error.message}`;
      this.#observations.push({ ...nothing, status: "failed", failure });
    } else throw error;
    return this.#observations;
  }

  #one(i: number, o: Operation): void {
    const p = this.#process(o.proc);
    if (!p.alive || p.asleep !== null) {
      this.#observe(i, "skipped", 0);
      return;
    }
    if (o.op === "fork" && this.#process(o.child).alive) {
      this.#observe(i, "skipped", 0);
      return;
    }
    const activity = this.#machine.start(this.#perform(p, o));
    this.#machine.advance(activity);
    if (activity.result === null) {
      p.asleep = { op: i, activity };
      this.#observe(i, "blocked", 0);
    } else {
      this.#observe(i, "done", activity.result);
    }
  }

  /** Lets those go on who were asleep and can; what ended is returned in the order in which it slept. */
  #wakeUp(): { op: number; errno: number }[] {
    const woken: { op: number; errno: number }[] = [];
    for (let again = true; again; ) {
      again = false;
      const sleepers = this.#processes
        .filter((p) => p.asleep !== null)
        .sort((a, b) => (a.asleep?.op ?? 0) - (b.asleep?.op ?? 0));
      for (const p of sleepers) {
        if (p.asleep === null) continue;
        const { op, activity } = p.asleep;
        again = this.#machine.advance(activity) || again;
        if (activity.result === null) continue;
        woken.push({ op, errno: activity.result });
        p.asleep = null;
      }
    }
    return woken;
  }

  #undo(): void {
    for (const p of this.#processes) {
      if (!p.alive || p.asleep !== null) continue;
      for (const pin of [...p.pins.keys()]) this.#alone(this.#unpin(p, pin));
    }
    const woken = this.#wakeUp();
    for (const p of this.#processes) if (p.alive && p.asleep === null) this.#alone(this.#exit(p));
    woken.push(...this.#wakeUp());
    if (this.#processes.some((p) => p.asleep !== null)) {
      // What nobody will ever wake keeps its locks, so the files cannot be emptied.
      const op = this.#program.ops.length;
      this.#observations.push({
        op,
        status: "blocked",
        errno: 0,
        woken,
        files: [],
        unasked: [],
        detached: {},
      });
      return;
    }
    const k = this.#process(0).kernel;
    for (const inode of this.#files) this.#alone(zero(k.do_truncate(inode, 0)));
    this.#observe(this.#program.ops.length, "done", 0, woken);
  }

  *#perform(p: Process, o: Operation): Code<number> {
    const k = p.kernel;
    switch (o.op) {
      case "mmap": {
        if (!o.shared) throw new Unsupported();
        yield* this.#map(p, o.map, this.#file(o.file), o.page, o.pages);
        return 0;
      }
      case "munmap": {
        const vma = p.maps.get(o.map);
        if (vma === undefined) return EINVAL;
        if (o.page !== vma.vm_pgoff || o.pages !== vma.vm_pages) throw new Unsupported();
        yield* this.#unmap(p, o.map);
        return 0;
      }
      case "touch": {
        const at = this.#address(p, o.map, o.page);
        if (at === null) return EINVAL;
        return (yield* k.touch(p.mm, at, o.write)) === "SIGBUS" ? SIGBUS : 0;
      }
      case "mlock": {
        for (let i = 0; i < o.pages; i++) {
          const at = this.#address(p, o.map, o.page + i);
          if (at === null) return EINVAL;
          if ((yield* k.touch(p.mm, at, false)) === "SIGBUS") return ENOMEM;
        }
        return 0;
      }
      case "munlock":
        return 0;
      case "fsync":
        return yield* zero(k.vfs_fsync(this.#file(o.file)));
      case "dontneed": {
        const vma = p.maps.get(o.map);
        const at = this.#address(p, o.map, o.page);
        if (vma === undefined || at === null) return EINVAL;
        yield* k.zap_page_range(vma, at, at + o.pages);
        return 0;
      }
      case "fork": {
        const child = this.#process(o.child);
        child.alive = true;
        // Page-table entries of a shared mapping of a file are not copied; the child faults for itself.
        for (const [map, vma] of p.maps) {
          yield* this.#map(child, map, vma.vm_file, vma.vm_pgoff, vma.vm_pages);
        }
        return 0;
      }
      case "exit":
        return yield* this.#exit(p);
      case "pin": {
        const at = this.#address(p, o.map, o.page);
        if (at === null) return EINVAL;
        const hows = { odirect: this.#directIo.takes, vmsplice: "get", io_uring: "pin" } as const;
        const how = hows[o.how];
        // io_uring registers buffers for reading and writing, for as long as it likes.
        const flags = o.how === "io_uring" ? FOLL_WRITE | FOLL_LONGTERM : o.write ? FOLL_WRITE : 0;
        const taken =
          how === "pin"
            ? yield* k.pin_user_pages_fast(at, o.pages, flags)
            : yield* k.get_user_pages_fast(at, o.pages, flags);
        if (typeof taken === "number") return -taken;
        let pages = taken;
        if (o.how === "odirect" && this.#directIo.oneDevice) {
          const other = taken.findIndex((page) => isDevice(k, page) !== isDevice(k, taken[0]));
          if (other > 0) {
            pages = taken.slice(0, other);
            yield* k.unpin_user_pages(taken.slice(other));
          }
        }
        p.pins.set(o.pin, { how, pages });
        return 0;
      }
      case "unpin":
        return yield* this.#unpin(p, o.pin);
      case "punch":
        return yield* zero(
          k.vfs_fallocate(this.#file(o.file), FALLOC_FL_PUNCH_HOLE, o.page, o.page + o.pages),
        );
      case "truncate":
        return yield* zero(k.do_truncate(this.#file(o.file), o.size));
      case "write": {
        const inode = this.#file(o.file);
        if (o.page + o.pages > this.#machine.see(inode.i_size)) throw new Unsupported();
        for (let i = 0; i < o.pages; i++) yield* k.vfs_write(inode, o.page + i);
        return 0;
      }
      case "reflink": {
        const [from, to] = [this.#file(o.from), this.#file(o.file)];
        const size = this.#machine.see(from.i_size);
        if (size > this.#machine.see(to.i_size)) throw new Unsupported();
        yield* k.vfs_clone_file_range(from, to, size);
        return 0;
      }
      case "poison":
      case "umount":
      case "mount":
        throw new Unsupported();
    }
  }

  #address(p: Process, map: number, page: number): number | null {
    const vma = p.maps.get(map);
    return vma === undefined ? null : vma.vm_start + page - vma.vm_pgoff;
  }

  *#map(p: Process, map: number, inode: Inode, page: number, pages: number): Code {
    const vma: VmArea = modelled("vma", {
      vm_mm: p.mm,
      vm_flags: VM_SHARED | VM_WRITE | VM_HUGEPAGE,
      anon_vma: cell("anon_vma", false),
      // As in the guest, an address is congruent to its place in the file, so that a PMD can map it.
      vm_start: map * this.#slot + page,
      vm_pages: pages,
      vm_pgoff: page,
      vm_file: inode,
    });
    p.maps.set(map, vma);
    yield* p.kernel.mmap(vma);
  }

  *#unmap(p: Process, map: number): Code {
    const vma = p.maps.get(map);
    if (vma === undefined) return;
    yield* p.kernel.munmap(vma);
    p.maps.delete(map);
  }

  *#exit(p: Process): Code<number> {
    for (const map of [...p.maps.keys()]) yield* this.#unmap(p, map);
    p.alive = false;
    return 0;
  }

  *#unpin(p: Process, pin: number): Code<number> {
    const held = p.pins.get(pin);
    if (held === undefined) return EINVAL;
    p.pins.delete(pin);
    if (held.how === "pin") yield* p.kernel.unpin_user_pages(held.pages);
    else for (const page of held.pages) yield* p.kernel.put_user_page(page);
    return 0;
  }

  #observe(op: number, status: Status, errno: number, woken = this.#wakeUp()): void {
    const see = this.#machine;
    const inFile = new Set<Pfn>();
    const files = this.#files.map((inode, f) =>
      inode.i_data.map((extent, i): Backing => {
        const block = see.see(extent);
        if (block === null) return "hole";
        inFile.add(block);
        if (!this.#firstPlace.has(block)) this.#firstPlace.set(block, `${f}/${i}`);
        return this.#state(block);
      }),
    );
    const detached: Record<string, PageState> = {};
    for (const [block, place] of this.#firstPlace) {
      if (inFile.has(block)) continue;
      const state = this.#state(block);
      if (state.refcount !== this.#idle || state.mapcount !== 0 || state.mapping !== "none") {
        detached[place] = state;
      }
    }
    this.#observations.push({ op, status, errno, woken, files, unasked: [], detached });
  }

  #state(block: Pfn): PageState {
    const k = this.#process(0).kernel;
    const see = this.#see;
    const page = pfn_to_page(k, block);
    const head = headOf(k, see, page);
    const { refcount, mapcount, pincount, order } = countsOf(k, see, page);
    const of = see(head.mapping);
    // Zero-based kernels have NULL and a count of files in the word of the index.
    const files = this.#idle === 0 && of === null ? see(head.index) : 0;
    const shared = of === PAGE_MAPPING_DAX_SHARED || files > 0;
    return {
      refcount,
      mapcount,
      pincount: order > 0 ? pincount : Math.floor(refcount / PINS_PER_REFCOUNT),
      mapping: shared ? "shared" : of === null ? "none" : "file",
      flags: order === 0 ? [] : [head === page ? "head" : "tail"],
    };
  }

  readonly #see: See = (cell) => this.#machine.see(cell);
}

/** Errno 0, for what cannot fail. */
function* zero(body: Code<unknown>): Code<number> {
  yield* body;
  return 0;
}

/** The subsystem as one side of a comparison. */
export const modelSubject = (version: KernelVersion): Subject => ({
  name: `pagelife ${version.release}`,
  run: (program) => new ModelRun(program, version).run(),
});
