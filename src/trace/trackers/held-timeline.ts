// How many pages were held at once, over time, whatever the recording's length.
import type { HeldOverTime } from "../report.ts";

/** The most pages held at once in each of at most 64 slices; slices double as the recording grows. */
export class HeldTimeline {
  #slice = 1e6;
  #start: number = Number.NaN;
  #most: number[] = [];
  #now = 0;
  /** Where the slice written last ends: until then nothing changes while as many pages are held. */
  #sliceEnd = Number.NEGATIVE_INFINITY;

  at(time: number, held: number): void {
    if (held === this.#now && time < this.#sliceEnd && time >= this.#sliceEnd - this.#slice) return;
    if (Number.isNaN(this.#start)) this.#start = time;
    let i = Math.floor((time - this.#start) / this.#slice);
    if (i < 0) i = 0;
    while (i >= 64) {
      const merged: number[] = [];
      for (let k = 0; k < this.#most.length; k += 2)
        merged.push(Math.max(this.#most[k] ?? 0, this.#most[k + 1] ?? 0));
      this.#most = merged;
      this.#slice *= 2;
      i = Math.floor((time - this.#start) / this.#slice);
    }
    while (this.#most.length <= i) this.#most.push(this.#now);
    this.#sliceEnd = this.#start + (i + 1) * this.#slice;
    if (held > (this.#most[i] ?? 0)) this.#most[i] = held;
    this.#now = held;
  }

  result(): HeldOverTime {
    return { sliceNs: this.#slice, most: this.#most };
  }
}
