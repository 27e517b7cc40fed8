// What a command writes: a file, or standard output.
import { closeSync, openSync, writeSync } from "node:fs";
import { PagelifeError } from "../base/errors.ts";
import { exitCode } from "./exit.ts";

/** A file, or standard output, written in pieces that are not too small. */
export class OutputFile {
  readonly #path: string;
  readonly #fd: number;
  #pending: (string | Uint8Array)[] = [];
  #size = 0;

  constructor(path: string) {
    this.#path = path;
    try {
      this.#fd = path === "-" ? 1 : openSync(path, "w");
    } catch (error) {
      throw new PagelifeError("PL102", `${path}: ${error instanceof Error ? error.message : String(error)}.`);
    }
  }

  text(text: string): void {
    this.#add(text, text.length);
  }

  bytes(bytes: Uint8Array): void {
    this.#add(bytes, bytes.length);
  }

  close(): void {
    this.#flush();
    if (this.#path !== "-") closeSync(this.#fd);
  }

  #add(piece: string | Uint8Array, size: number): void {
    this.#pending.push(piece);
    this.#size += size;
    if (this.#size >= 1 << 18) this.#flush();
  }

  #flush(): void {
    if (this.#size === 0) return;
    const all = Buffer.concat(this.#pending.map((p) => (typeof p === "string" ? Buffer.from(p) : p)));
    this.#pending = [];
    this.#size = 0;
    for (let done = 0; done < all.length; ) {
      try {
        done += writeSync(this.#fd, all, done);
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === "EPIPE") process.exit(exitCode.holds);
        // A pipe whose reader is slower than we are.
        if (code === "EAGAIN") Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
        else
          throw new PagelifeError(
            "PL102",
            `${this.#path}: ${error instanceof Error ? error.message : String(error)}.`,
          );
      }
    }
  }
}
