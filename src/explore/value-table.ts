// A table from the values of a few cells to a small integer: one level of array for each cell, indexed
// by value id. Value ids are dense, so the arrays stay short, and a look-up costs one load a cell.

/** What an array begins with. */
const LENGTH = 4;

export class ValueTable {
  /** Level 0 is the root; entries of a level name the next one, those of the last are what was set. */
  readonly #levels: Int32Array[] = [new Int32Array(LENGTH)];

  /** What was set for the values that `cells` have in `row`, or 0. */
  get(cells: Int32Array, row: Int32Array): number {
    let at = 0;
    const depth = cells.length;
    if (depth === 0) return (this.#levels[0] as Int32Array)[0] as number;
    for (let i = 0; i < depth; i++) {
      const level = this.#levels[at] as Int32Array;
      const value = row[cells[i] as number] as number;
      if (value >= level.length) return 0;
      at = level[value] as number;
      if (at === 0) return 0;
    }
    return at;
  }

  /** Sets what {@link get} returns; not 0. */
  set(cells: Int32Array, row: Int32Array, entry: number): void {
    let at = 0;
    for (let i = 0; i < cells.length - 1; i++) {
      const value = row[cells[i] as number] as number;
      let next = this.#reach(at, value)[value] as number;
      if (next === 0) {
        next = this.#levels.push(new Int32Array(LENGTH)) - 1;
        (this.#levels[at] as Int32Array)[value] = next;
      }
      at = next;
    }
    const value = cells.length === 0 ? 0 : (row[cells.at(-1) as number] as number);
    this.#reach(at, value)[value] = entry;
  }

  /** A level, long enough for `value`. */
  #reach(at: number, value: number): Int32Array {
    const level = this.#levels[at] as Int32Array;
    if (value < level.length) return level;
    let length = level.length;
    while (length <= value) length *= 2;
    const longer = new Int32Array(length);
    longer.set(level);
    this.#levels[at] = longer;
    return longer;
  }
}
