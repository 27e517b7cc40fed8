// From the address of a struct page to its page frame number. The memory map of all pages is one
// array, whose start depends on the architecture, on the depth of page tables and on KASLR. Nobody
// prints it, so it is learnt: where an address and a pfn of one page stand next to each other, their
// difference is the start of the array, and it shows by being a multiple of 1 GiB.

/** Size of struct page on every 64-bit kernel that pagelife knows. */
const PAGE_STRUCT_BITS = 6;
const PAGE_STRUCT = 1 << PAGE_STRUCT_BITS;
/** Where x86-64 puts the array without KASLR, for 4 and for 5 levels of page tables. */
const WELL_KNOWN_HI: readonly number[] = [0xffffea00, 0xffd40000];
/** Pages whose array is not known get numbers from here on. */
const UNPLACED = 2 ** 42;

/** Whether a pfn is only a stand-in, made of the address of a page in an unknown memory map. */
export const isUnplaced = (pfn: number): boolean => pfn >= UNPLACED;

/** The address of struct page that a stand-in was made of. */
export const unplacedAddress = (pfn: number): string =>
  `ffff${((pfn - UNPLACED) * PAGE_STRUCT).toString(16).padStart(12, "0")}`;

export class PageMap {
  /** Start of the array as two halves, or -1 while not known. */
  #hi = -1;
  #lo = 0;
  #fixed = false;
  #lastHi = -1;
  #lastLo = 0;
  #lastPfn = -1;
  /** Where in struct page the address asked for last pointed to. */
  offset = 0;
  /** Addresses for which no array was known. */
  unplaced = 0;

  /** States the array's start: 16 hexadecimal digits. */
  static at(address: string): PageMap {
    const map = new PageMap();
    map.place(address);
    return map;
  }

  /** As `at`. */
  place(address: string): void {
    const digits = address.replace(/^0x/, "").padStart(16, "0");
    this.#hi = Number.parseInt(digits.slice(0, 8), 16);
    this.#lo = Number.parseInt(digits.slice(8), 16);
    this.#fixed = true;
  }

  /** The array's start, as hexadecimal text; null while not known. */
  get base(): string | null {
    if (this.#hi < 0) return null;
    return this.#hi.toString(16).padStart(8, "0") + this.#lo.toString(16).padStart(8, "0");
  }

  /** @returns the pfn of the page at an address, a stand-in if the array is not known; NaN for NULL. */
  pfnOf(hi: number, lo: number): number {
    if (hi === 0) return Number.NaN;
    this.#lastHi = hi;
    this.#lastLo = lo;
    if (this.#hi < 0) this.#learn();
    let baseHi = this.#hi;
    let baseLo = this.#lo;
    if (baseHi < 0) {
      const wellKnown = wellKnownBase(hi);
      if (wellKnown < 0) {
        this.unplaced++;
        this.offset = lo % PAGE_STRUCT;
        return UNPLACED + ((hi & 0xffff) * 2 ** 32 + lo - this.offset) / PAGE_STRUCT;
      }
      baseHi = wellKnown;
      baseLo = 0;
    }
    // The array starts at a multiple of the size of its elements, so shifts will do.
    const pfn =
      (hi - baseHi) * 2 ** (32 - PAGE_STRUCT_BITS) +
      (lo >>> PAGE_STRUCT_BITS) -
      (baseLo >>> PAGE_STRUCT_BITS);
    if (pfn < 0 || pfn >= 2 ** (46 - PAGE_STRUCT_BITS)) return Number.NaN;
    this.offset = lo & (PAGE_STRUCT - 1);
    return pfn;
  }

  /** A pfn was printed beside the address given last: maybe of the same page. */
  sawPfn(pfn: number): void {
    this.#lastPfn = pfn;
    if (this.#hi < 0) this.#learn();
  }

  #learn(): void {
    if (this.#fixed || this.#lastHi < 0 || this.#lastPfn <= 0) return;
    const bytes = this.#lastPfn * PAGE_STRUCT;
    let lo = this.#lastLo - (this.#lastLo % PAGE_STRUCT) - (bytes % 2 ** 32);
    let hi = this.#lastHi - Math.floor(bytes / 2 ** 32);
    if (lo < 0) {
      lo += 2 ** 32;
      hi -= 1;
    }
    if (lo % 2 ** 30 !== 0 || hi < 0xff000000) return;
    this.#hi = hi;
    this.#lo = lo;
  }
}

/** The upper half of the array's start if an address lies in one of the usual places, else -1. */
function wellKnownBase(hi: number): number {
  // 64 GiB of struct page describe 4 TiB of memory.
  for (const base of WELL_KNOWN_HI) if (hi >= base && hi < base + 16) return base;
  return -1;
}
