// A list of integers that grows: a typed array, since an ordinary one costs twice the memory and, at
// some lengths, a pause for copying boxed numbers.

export class IntList {
  #items = new Int32Array(1 << 10);
  length = 0;

  push(item: number): void {
    if (this.length === this.#items.length) {
      const longer = new Int32Array(this.#items.length * 2);
      longer.set(this.#items);
      this.#items = longer;
    }
    this.#items[this.length++] = item;
  }

  /** Takes the last item; the list may not be empty. */
  pop(): number {
    return this.#items[--this.length] as number;
  }

  at(index: number): number {
    return this.#items[index] as number;
  }

  /** Takes the first items out. */
  takeFirst(count: number): Int32Array {
    const taken = this.#items.slice(0, count);
    this.#items.copyWithin(0, count, this.length);
    this.length -= count;
    return taken;
  }

  get bytes(): number {
    return this.#items.byteLength;
  }

  save(): Int32Array {
    return this.#items.slice(0, this.length);
  }

  restore(saved: Int32Array): void {
    this.length = 0;
    for (const item of saved) this.push(item);
  }
}

/** As {@link IntList}, for integers below 256. */
export class ByteList {
  #items = new Uint8Array(1 << 10);
  length = 0;

  push(item: number): void {
    if (this.length === this.#items.length) {
      const longer = new Uint8Array(this.#items.length * 2);
      longer.set(this.#items);
      this.#items = longer;
    }
    this.#items[this.length++] = item;
  }

  slice(from: number, to: number): number[] {
    return [...this.#items.subarray(from, to)];
  }

  get bytes(): number {
    return this.#items.byteLength;
  }

  save(): Uint8Array {
    return this.#items.slice(0, this.length);
  }

  restore(saved: Uint8Array): void {
    this.length = 0;
    for (const item of saved) this.push(item);
  }
}
