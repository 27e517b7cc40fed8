// Chunks of bytes to lines, with bounded memory: a line of more than 64 KiB is left out and noted.
import type { ImportLog } from "../import-log.ts";
import { viewOf } from "./words.ts";

/** Takes one line: the bytes from `from` to `to`, without the newline. `view` has the bytes of `b`. */
export type LineHandler = (b: Buffer, view: DataView, from: number, to: number, line: number) => void;

export const MAX_LINE = 64 * 1024;
const NEWLINE = 10;
const empty: Buffer = Buffer.alloc(0);

export class LineSplitter {
  readonly #handle: LineHandler;
  readonly #log: ImportLog;
  #carry: Buffer = empty;
  #skipping = false;
  /** Lines seen so far. */
  line = 0;

  constructor(handle: LineHandler, log: ImportLog) {
    this.#handle = handle;
    this.#log = log;
  }

  push(chunk: Buffer): void {
    let b = chunk;
    let p = 0;
    if (this.#carry.length > 0) {
      // Join only up to the first newline, not the whole chunk.
      const end = chunk.indexOf(NEWLINE);
      const head = end < 0 ? chunk : chunk.subarray(0, end);
      if (this.#carry.length + head.length > MAX_LINE) {
        this.#tooLong();
        this.#carry = empty;
        this.#skipping = end < 0;
      } else {
        const joined = Buffer.concat([this.#carry, head]);
        this.#carry = empty;
        if (end < 0) {
          this.#carry = joined;
          return;
        }
        this.#line(joined, viewOf(joined), 0, joined.length);
      }
      if (end < 0) return;
      p = end + 1;
    }
    b = chunk;
    if (this.#skipping) {
      const end = b.indexOf(NEWLINE, p);
      if (end < 0) return;
      this.#skipping = false;
      p = end + 1;
    }
    const length = b.length;
    const view = viewOf(b);
    while (p < length) {
      const end = b.indexOf(NEWLINE, p);
      if (end < 0) {
        if (length - p > MAX_LINE) {
          this.#tooLong();
          this.#skipping = true;
        } else this.#carry = Buffer.from(b.subarray(p));
        return;
      }
      if (end - p > MAX_LINE) this.#tooLong();
      else this.#line(b, view, p, end);
      p = end + 1;
    }
  }

  /** @returns whether the last line had no newline at its end. */
  end(): boolean {
    const cut = this.#carry.length > 0;
    if (cut) this.#line(this.#carry, viewOf(this.#carry), 0, this.#carry.length);
    this.#carry = empty;
    return cut;
  }

  #line(b: Buffer, view: DataView, from: number, to: number): void {
    this.line++;
    this.#handle(b, view, from, to > from && b[to - 1] === 13 ? to - 1 : to, this.line);
  }

  #tooLong(): void {
    this.line++;
    this.#log.note("longLine", this.line);
  }
}
