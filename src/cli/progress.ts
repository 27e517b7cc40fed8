// One line on stderr that says how far a long run is; only on a terminal.

/** Often enough to be seen, rarely enough to cost nothing. */
const EVERY_MS = 200;

export class Progress {
  readonly #name: string;
  readonly #on: boolean;
  #last = Date.now();
  #shown = false;

  constructor(name: string) {
    this.#name = name;
    this.#on = process.stderr.isTTY === true;
  }

  update(text: () => string): void {
    if (!this.#on) return;
    const now = Date.now();
    if (now - this.#last < EVERY_MS) return;
    this.#last = now;
    this.#shown = true;
    process.stderr.write(`\r${this.#name}: ${text()}\x1b[K`);
  }

  done(): void {
    if (this.#shown) process.stderr.write("\r\x1b[K");
  }
}
