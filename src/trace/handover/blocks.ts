// Memory for the rows of batches, which two threads see: blocks that are used in turn. Who writes waits until
// the other has read the block that comes next; so the reader runs ahead by some blocks and no more.
import { BLOCK_LENGTH } from "./batch.ts";

const BLOCKS = 4;
const BYTES = BLOCK_LENGTH * Float64Array.BYTES_PER_ELEMENT;

/** What the other thread is given to make `Blocks` of. */
export interface SharedBlocks {
  readonly numbers: SharedArrayBuffer;
  readonly state: SharedArrayBuffer;
}

export const shareBlocks = (): SharedBlocks => ({
  numbers: new SharedArrayBuffer(BYTES * BLOCKS),
  state: new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT),
});

/** Places in the shared state: blocks read so far, and whether nobody wants more. */
const READ = 0;
const STOPPED = 1;

export class Blocks {
  readonly #blocks: readonly Float64Array[];
  readonly #state: Int32Array;
  #written = 0;

  constructor({ numbers, state }: SharedBlocks) {
    this.#blocks = Array.from(
      { length: BLOCKS },
      (_, i) => new Float64Array(numbers, i * BYTES, BLOCK_LENGTH),
    );
    this.#state = new Int32Array(state);
  }

  block(i: number): Float64Array {
    return this.#blocks[i] as Float64Array;
  }

  /** Who writes is done with a block. @returns the next, when it may be written. */
  next(): number {
    this.#written++;
    for (;;) {
      const read = Atomics.load(this.#state, READ);
      if (this.#written - read < BLOCKS) return this.#written % BLOCKS;
      Atomics.wait(this.#state, READ, read);
    }
  }

  /** Who reads is done with the oldest block. */
  release(): void {
    Atomics.add(this.#state, READ, 1);
    Atomics.notify(this.#state, READ);
  }

  /** Asks the reader to end, as if the recording ended here. */
  stop(): void {
    Atomics.store(this.#state, STOPPED, 1);
  }

  get stopped(): boolean {
    return Atomics.load(this.#state, STOPPED) !== 0;
  }
}
