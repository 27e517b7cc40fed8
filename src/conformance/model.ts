// Runs a workload on the subsystem, one operation after the other, as the guest does on a real kernel:
// an operation that sleeps stays asleep while the others go on, and is looked after each time. No
// interleaving is explored here; that is what `check` is for.
import { PagelifeBug } from "../base/assert.ts";
import type { Pfn } from "../base/brand.ts";
import { acquire, type Cell, type Code, cell, Failure, type See } from "../explore/access.ts";
import { FALLOC_FL_PUNCH_HOLE, type Inode, type SuperBlock } from "../kernel/include/linux/fs.ts";
import { type KernelVersion, runKernel } from "../kernel/kernel.ts";
import { READ_ONCE, WRITE_ONCE } from "../kernel/lib/atomic.ts";
import { addRam, createFile, mountDax } from "../kernel/setup.ts";
import { newWorld } from "../kernel/world.ts";
import { directIoOf } from "./direct-io.ts";
import { Machine, OPERATION_ENDS } from "./machine.ts";
import { modelPage } from "./model-page.ts";
import { ModelProcess } from "./model-process.ts";
import {
  type Backing,
  isIdle,
  type Observation,
  type PageState,
  type Status,
  type Subject,
} from "./observation.ts";
import { limits, type Operation, type Program } from "./program.ts";
import type { Features } from "./random-program.ts";

const EBADF = 9;
const EBUSY = 16;
const EINVAL = 22;
/** x86-64: a table of page-table entries maps 2 MiB. */
const GEOMETRY = { PTRS_PER_PTE: 512, PTRS_PER_PMD: 512 };
/** Page frame number of the first block, where a huge page can begin. */
const FIRST_BLOCK = 0x40000;

/** What the subsystem can run; random programs for comparisons are drawn from this. */
export const modelFeatures: Features = {
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

/** Where the mount of a file system stands. */
type MountState = "mounted" | "unmounting" | "unmounted";

/** Pages of ordinary memory that a workload can have use for: each private mapping may copy all of its file. */
const ramFor = (program: Program, pages: number): number =>
  program.ops.some((o) => o.op === "mmap" && !o.shared) ? 2 * limits.processes * pages : 0;

class ModelRun {
  readonly #program: Program;
  readonly #machine = new Machine();
  readonly #processes: readonly ModelProcess[];
  readonly #sb: SuperBlock;
  readonly #files: Inode[] = [];
  readonly #mount: Cell<MountState>;
  readonly #firstPlace = new Map<Pfn, string>();
  readonly #observations: Observation[] = [];
  readonly #idle: number;

  constructor(program: Program, version: KernelVersion) {
    this.#program = program;
    const { kernels, mount } = this.#machine.within(() => {
      const tasks = Array.from({ length: limits.processes }, (_, i) => ({ name: `p${i}`, cpu: i }));
      const world = newWorld(tasks, "ipi", GEOMETRY);
      return {
        kernels: world.tasks.map((task) => runKernel(version, world, task)),
        mount: cell<MountState>("mount", "mounted"),
      };
    });
    this.#mount = mount;
    const [setup, ...others] = kernels;
    if (setup === undefined) throw new PagelifeBug("a world without a setup task");
    this.#idle = setup.fsdax_idle_count();
    const total = program.files.reduce((n, f) => n + f.pages, 0);
    // Twice the room, so that no block has to be used again while an old reference is still there. The guest's file
    // systems know no owners of blocks (rmapbt=0).
    this.#sb = this.#machine.within(() =>
      mountDax(setup, 2 * total, program.fs, FIRST_BLOCK, { rmapbt: false }),
    );
    this.#alone(this.#furnish(setup, total));
    const slot = Math.max(...program.files.map((f) => f.pages));
    const slots = 1 + Math.max(0, ...program.ops.map((o) => (o.op === "mmap" ? o.map : 0)));
    const [release = ""] = version.release.split("+");
    const directIo = directIoOf(release);
    this.#processes = this.#machine.within(() =>
      others.map((k, i) => new ModelProcess(k, `mm${i}`, directIo, { slot, slots })),
    );
    for (const o of program.ops) if (o.op === "fork") this.#process(o.child).alive = false;
  }

  *#furnish(setup: ReturnType<typeof runKernel>, total: number): Code<number> {
    for (const [i, f] of this.#program.files.entries()) {
      this.#files.push(yield* createFile(setup, this.#sb, `file${i}`, f.pages, f.allocated));
    }
    const ram = ramFor(this.#program, total);
    if (ram > 0) yield* addRam(setup, ram);
    return 0;
  }

  #process(n: number): ModelProcess {
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
    if (!(error instanceof Failure)) throw error;
    const nothing = { op, errno: 0, woken: [], files: [], unasked: [], detached: {} };
    if (error.property === OPERATION_ENDS) this.#observations.push({ ...nothing, status: "spins" });
    else {
      const failure = `${error.property}: ${error.message}`;
      this.#observations.push({ ...nothing, status: "failed", failure });
    }
    return this.#observations;
  }

  #one(i: number, o: Operation): void {
    const p = this.#process(o.proc);
    if (!p.alive || p.asleep !== null || (o.op === "fork" && this.#process(o.child).alive)) {
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

  /** As the guest ends every program: pins are dropped, processes end, files are emptied. */
  #undo(): void {
    const able = (): ModelProcess[] => this.#processes.filter((p) => p.alive && p.asleep === null);
    for (const p of able()) for (const pin of p.pins) this.#alone(p.unpin(pin));
    const woken = this.#wakeUp();
    for (const p of able()) this.#alone(p.exit());
    woken.push(...this.#wakeUp());
    const op = this.#program.ops.length;
    // What nobody will ever wake keeps its locks, so the files cannot be emptied.
    const stuck = this.#processes.some((p) => p.asleep !== null);
    if (!stuck && this.#files.every((inode) => this.#ends(this.#process(0).kernel.do_truncate(inode, 0)))) {
      this.#observe(op, "done", 0, woken);
      return;
    }
    const nothing = { errno: 0, files: [], unasked: [], detached: {} };
    this.#observations.push({ op, status: "blocked", woken, ...nothing });
  }

  /** Runs something to its end, if it has one without anybody else's help. */
  #ends(body: Code): boolean {
    const activity = this.#machine.start(zero(body));
    this.#machine.advance(activity);
    return activity.result !== null;
  }

  *#perform(p: ModelProcess, o: Operation): Code<number> {
    const k = p.kernel;
    switch (o.op) {
      case "mmap":
        return (yield* this.#closed()) ? EBADF : yield* p.map(o, this.#file(o.file));
      case "munmap":
        return yield* p.munmap(o.map);
      case "touch":
        return yield* p.touch(o);
      case "mlock":
        return yield* p.mlock(o);
      case "munlock":
        return 0;
      case "dontneed":
        return yield* p.dontneed(o);
      case "fork":
        return yield* p.fork(this.#process(o.child));
      case "exit":
        return yield* p.exit();
      case "pin":
        return yield* p.pin(o);
      case "unpin":
        return yield* p.unpin(o.pin);
      case "poison":
        return yield* p.poison(o);
      case "umount":
        return yield* this.#umount(p);
      case "mount":
        return yield* this.#mountAgain();
      default:
        return (yield* this.#closed()) ? EBADF : yield* this.#changeFile(k, o);
    }
  }

  /** An operation on a file itself. */
  *#changeFile(
    k: ModelProcess["kernel"],
    o: Extract<Operation, { op: "punch" | "truncate" | "write" | "fsync" | "reflink" }>,
  ): Code<number> {
    const inode = this.#file(o.file);
    switch (o.op) {
      case "punch":
        return yield* zero(k.vfs_fallocate(inode, FALLOC_FL_PUNCH_HOLE, o.page, o.page + o.pages));
      case "truncate":
        return yield* zero(k.do_truncate(inode, o.size));
      case "write":
        for (let i = 0; i < o.pages; i++) yield* k.vfs_write(inode, o.page + i);
        return yield* this.#extend(inode, o.page + o.pages);
      case "fsync":
        return yield* zero(k.vfs_fsync(inode));
      case "reflink": {
        const from = this.#file(o.from);
        const size = this.#machine.see(from.i_size);
        yield* k.vfs_clone_file_range(from, inode, size);
        return yield* this.#extend(inode, size);
      }
    }
  }

  /** A file that is written to beyond its end grows, which the subsystem leaves out. */
  *#extend(inode: Inode, size: number): Code<number> {
    if ((yield* READ_ONCE(inode.i_size)) < size) yield* WRITE_ONCE(inode.i_size, size);
    return 0;
  }

  /** Nobody has the files open while the file system is not mounted. */
  *#closed(): Code<boolean> {
    return (yield* READ_ONCE(this.#mount)) !== "mounted";
  }

  /** Every process closes the files first; one that sleeps in an operation keeps them open, and so does a mapping. */
  *#umount(self: ModelProcess): Code<number> {
    if (yield* this.#closed()) return EINVAL;
    if (this.#processes.some((p) => p !== self && (p.maps > 0 || p.asleep !== null))) return EBUSY;
    yield* WRITE_ONCE<MountState>(this.#mount, "unmounting");
    yield* self.kernel.generic_shutdown_super(this.#sb);
    yield* WRITE_ONCE<MountState>(this.#mount, "unmounted");
    return 0;
  }

  /** Waits until the file system that is being unmounted has gone (`fs/super.c:grab_super()`). */
  *#mountAgain(): Code<number> {
    return yield* acquire([this.#mount], (state: MountState) =>
      state === "unmounting"
        ? null
        : { next: ["mounted"] as MountState[], result: state === "mounted" ? EBUSY : 0 },
    );
  }

  #observe(op: number, status: Status, errno: number, woken = this.#wakeUp()): void {
    const inFile = new Set<Pfn>();
    const files = this.#files.map((inode, f) =>
      inode.i_data.map((extent, i): Backing => {
        const block = this.#see(extent);
        if (block === null) return "hole";
        inFile.add(block);
        if (!this.#firstPlace.has(block)) this.#firstPlace.set(block, `${f}/${i}`);
        return this.#page(block);
      }),
    );
    const detached: Record<string, PageState> = {};
    for (const [block, place] of this.#firstPlace) {
      if (inFile.has(block)) continue;
      const state = this.#page(block);
      if (!isIdle(state, this.#idle)) detached[place] = state;
    }
    this.#observations.push({ op, status, errno, woken, files, unasked: [], detached });
  }

  readonly #see: See = (cell) => this.#machine.see(cell);

  #page(block: Pfn): PageState {
    return modelPage(this.#process(0).kernel, this.#see, block, this.#idle);
  }
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
