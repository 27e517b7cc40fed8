// Reads ahead for the place of the memory map (`page-map.ts`): soon some event has both an address and a pfn.
import type { KernelEvent } from "../events/event.ts";
import type { PageMap } from "./page-map.ts";
import type { TraceSink } from "./sink.ts";

/** Events that are looked at. */
const MOST = 200_000;
/** So many addresses that lie where they usually do need no learning. */
const USUAL = 2000;

/** The sink of a reader that only learns where the memory map lies. */
export class MapLearner implements TraceSink {
  readonly #map: PageMap;
  #events = 0;
  #placed = 0;

  constructor(map: PageMap) {
    this.#map = map;
  }

  event(e: KernelEvent): void {
    this.#events++;
    // Only an address has an offset.
    if (e.pfn >= 0 && e.offset >= 0) this.#placed++;
  }

  stack(): void {}

  lost(): void {}

  /** Whether nothing more is to be learnt. */
  get done(): boolean {
    return (
      this.#map.base !== null || this.#events >= MOST || (this.#placed > USUAL && this.#map.unplaced === 0)
    );
  }
}
