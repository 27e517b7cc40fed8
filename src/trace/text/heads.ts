// The start of a task's line, up to the CPU: a recording has as many different ones as tasks and CPUs, and
// each comes again and again. One seen before need not be taken apart.
//
//               daxops-185     [001] ...1.    32.038888: …
//     ^ the head                   ^ its end
import type { Task } from "../../events/event.ts";
import { copyOf, mix, sameBytes } from "./words.ts";

export interface Head {
  readonly bytes: DataView;
  readonly length: number;
  readonly cpu: number;
  /** Bytes of the task's name and tid. */
  readonly taskLength: number;
  /** Who it is; null until an event is handed on. */
  task: Task | null;
}

const SPACE = 0x20;
const SLOTS = 256;
/** The part that differs most: the end of the name, the tid and the CPU. */
const HASHED = [12, 16, 24, 28, 36] as const;
/** Heads of more bytes are not kept. */
const LONGEST = 64;

/** Lines that are shorter are not looked up. */
export const LEAST_LINE = 40;

export class HeadTable {
  readonly #slots: (Head | null)[] = new Array<Head | null>(SLOTS).fill(null);

  /** The head of a line of at least `LEAST_LINE` bytes, if it is known and a space follows. */
  find(view: DataView, from: number, to: number): Head | null {
    const head = this.#slots[slotOf(view, from)] ?? null;
    if (head === null) return null;
    const end = from + head.length;
    return end < to && view.getUint8(end) === SPACE && sameBytes(view, from, head.bytes, head.length)
      ? head
      : null;
  }

  /** Keeps what a line began with, in the place of another that falls into the same slot. */
  add(view: DataView, from: number, end: number, to: number, taskEnd: number, cpu: number): Head {
    const head = newHead(view, from, end, taskEnd, cpu);
    if (end - from <= LONGEST && to - from >= LEAST_LINE) this.#slots[slotOf(view, from)] = head;
    return head;
  }
}

export const newHead = (view: DataView, from: number, end: number, taskEnd: number, cpu: number): Head => ({
  bytes: copyOf(view, from, end),
  length: end - from,
  cpu,
  taskLength: taskEnd - from,
  task: null,
});

function slotOf(view: DataView, from: number): number {
  let h = 0;
  for (let i = 0; i < HASHED.length; i++) h = mix(h, view.getInt32(from + (HASHED[i] as number), true));
  return h & (SLOTS - 1);
}
