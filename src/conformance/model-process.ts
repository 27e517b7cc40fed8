// A process of a workload, on the subsystem: its mappings, and what it holds of their pages.
import { PagelifeBug } from "../base/assert.ts";
import type { Code } from "../explore/access.ts";
import type { Inode } from "../kernel/include/linux/fs.ts";
import {
  type MmStruct,
  newVma,
  type Page,
  VM_HUGEPAGE,
  VM_SHARED,
  VM_WRITE,
  type VmArea,
} from "../kernel/include/linux/mm_types.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { FOLL_LONGTERM, FOLL_WRITE } from "../kernel/mm/gup-flags.ts";
import { createChild, createProcess } from "../kernel/setup.ts";
import type { DirectIo } from "./direct-io.ts";
import type { Activity } from "./machine.ts";
import type { Operation } from "./program.ts";

const ENOMEM = 12;
const EFAULT = 14;
const EBUSY = 16;
const EINVAL = 22;
const EOPNOTSUPP = 95;
/** A signal, as the guest writes it. */
const SIGBUS = 1007;
const SIGSEGV = 1011;

type Of<Name extends Operation["op"]> = Extract<Operation, { op: Name }>;

interface Held {
  readonly pages: readonly Page[];
  /** Gives the pages back. */
  readonly release: (pages: readonly Page[]) => Code;
}

const isDevice = (page: Page): boolean => page.zone === "ZONE_DEVICE";

export class ModelProcess {
  readonly kernel: Kernel;
  alive = true;
  /** The operation that sleeps, if any. */
  asleep: { readonly op: number; readonly activity: Activity } | null = null;

  readonly #directIo: DirectIo;
  /** Virtual pages of one mapping. */
  readonly #slot: number;
  readonly #maps = new Map<number, VmArea>();
  readonly #pins = new Map<number, Held>();
  #mm: MmStruct;

  constructor(kernel: Kernel, name: string, directIo: DirectIo, room: { slot: number; slots: number }) {
    this.kernel = kernel;
    this.#directIo = directIo;
    this.#slot = room.slot;
    this.#mm = createProcess(kernel, name, room.slot * room.slots);
    kernel.current.mm = this.#mm;
  }

  get maps(): number {
    return this.#maps.size;
  }

  get pins(): readonly number[] {
    return [...this.#pins.keys()];
  }

  *map(o: Of<"mmap">, inode: Inode): Code<number> {
    const vma = newVma(this.#mm, {
      vm_flags: VM_HUGEPAGE | (o.shared ? VM_SHARED : 0) | (o.writable ? VM_WRITE : 0),
      // As in the guest, an address is congruent to its place in the file, so that a PMD can map it.
      vm_start: o.map * this.#slot + o.page,
      vm_pages: o.pages,
      vm_pgoff: o.page,
      vm_file: inode,
    });
    this.#maps.set(o.map, vma);
    yield* this.kernel.mmap(vma);
    return 0;
  }

  *munmap(map: number): Code<number> {
    const vma = this.#maps.get(map);
    if (vma === undefined) return EINVAL;
    yield* this.kernel.munmap(vma);
    this.#maps.delete(map);
    return 0;
  }

  *exit(): Code<number> {
    for (const map of [...this.#maps.keys()]) yield* this.munmap(map);
    this.alive = false;
    return 0;
  }

  /** The child has the mappings, and with them entries of private pages; shared ones come with its own faults. */
  *fork(child: ModelProcess): Code<number> {
    const { kernel } = this;
    const mm = yield* createChild(kernel, this.#mm, `mm${kernel.world.mms.length}`);
    const copies = this.#mm.children.at(-1);
    if (copies === undefined) throw new PagelifeBug("a child that setup did not make");
    yield* kernel.dup_mmap(this.#mm, mm);
    this.#mm.children.pop();
    child.#mm = mm;
    child.kernel.current.mm = mm;
    child.alive = true;
    child.#maps.clear();
    for (const [map, vma] of this.#maps) {
      const copy = copies.vmas.get(vma);
      if (copy !== undefined) child.#maps.set(map, copy);
    }
    return 0;
  }

  /** An access to memory, and the signal if it ends in one. */
  *touch({ map, page, write }: { map: number; page: number; write: boolean }): Code<number> {
    const at = this.#address(map, page);
    if (at === null) return EINVAL;
    const fault = yield* this.kernel.touch(this.#mm, at, write);
    return fault === "SIGBUS" ? SIGBUS : fault === "SIGSEGV" ? SIGSEGV : 0;
  }

  *mlock({ map, page, pages }: Of<"mlock">): Code<number> {
    const vma = this.#maps.get(map);
    const at = this.#address(map, page);
    if (vma === undefined || at === null) return EINVAL;
    return (yield* this.kernel.populate_vma_page_range(vma, at, at + pages)) === 0 ? 0 : ENOMEM;
  }

  *dontneed({ map, page, pages }: Of<"dontneed">): Code<number> {
    const vma = this.#maps.get(map);
    const at = this.#address(map, page);
    if (vma === undefined || at === null) return EINVAL;
    yield* this.kernel.zap_page_range(vma, at, at + pages);
    return 0;
  }

  *pin(o: Of<"pin">): Code<number> {
    const k = this.kernel;
    if (this.#pins.has(o.pin)) return EBUSY;
    const at = this.#address(o.map, o.page);
    if (at === null) return EINVAL;
    const unpin = (pages: readonly Page[]): Code => k.unpin_user_pages(pages);
    const putEach = (put: DirectIo["put"]) =>
      function* release(pages: readonly Page[]): Code {
        for (const page of pages) yield* put(k, page);
      };
    if (o.how === "vmsplice") {
      const taken = yield* k.get_user_pages_fast(at, o.pages, 0);
      if (typeof taken === "number") return -taken;
      this.#pins.set(o.pin, { pages: taken, release: putEach((kernel, page) => kernel.put_user_page(page)) });
      return 0;
    }
    if (o.how === "io_uring" && !this.#directIo.registersFiles) return EOPNOTSUPP;
    // io_uring registers buffers for reading and writing, for as long as it likes.
    const flags = o.how === "io_uring" ? FOLL_WRITE | FOLL_LONGTERM : o.write ? FOLL_WRITE : 0;
    const pins = o.how === "io_uring" || this.#directIo.takes === "pin";
    const taken = pins
      ? yield* k.pin_user_pages_fast(at, o.pages, flags)
      : yield* k.get_user_pages_fast(at, o.pages, flags);
    if (typeof taken === "number") return -taken;
    if (o.how === "io_uring" && taken.length < o.pages) {
      // All or nothing (`io_uring/memmap.c:io_pin_pages()`).
      yield* unpin(taken);
      return EFAULT;
    }
    const held: Held = { pages: taken, release: pins ? unpin : putEach(this.#directIo.put) };
    const other = taken.findIndex((page) => isDevice(page) !== taken.slice(0, 1).some(isDevice));
    if (o.how === "odirect" && this.#directIo.oneDevice && other > 0) {
      yield* held.release(taken.slice(other));
      this.#pins.set(o.pin, { ...held, pages: taken.slice(0, other) });
    } else this.#pins.set(o.pin, held);
    return 0;
  }

  *unpin(pin: number): Code<number> {
    const held = this.#pins.get(pin);
    if (held === undefined) return EINVAL;
    this.#pins.delete(pin);
    yield* held.release(held.pages);
    return 0;
  }

  /**
   * The memory of a page goes bad: madvise(MADV_HWPOISON) takes a reference to find the page, and drops it before the
   * failure is dealt with. The process that maps it is killed (`mm/madvise.c:madvise_inject_error()`).
   */
  *poison({ map, page }: Of<"poison">): Code<number> {
    const k = this.kernel;
    const at = this.#address(map, page);
    if (at === null) return EINVAL;
    const taken = yield* k.get_user_pages_fast(at, 1, 0);
    if (typeof taken === "number") return -taken;
    const [bad] = taken;
    if (bad === undefined) return EFAULT;
    yield* k.put_user_page(bad);
    const error = yield* k.memory_failure_dev_pagemap(bad.pfn);
    return error === 0 ? SIGBUS : -error;
  }

  #address(map: number, page: number): number | null {
    const vma = this.#maps.get(map);
    return vma === undefined ? null : vma.vm_start + page - vma.vm_pgoff;
  }
}
