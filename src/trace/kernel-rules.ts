// What the numbers mean, by kernel. Until v6.14 a page of FS-DAX is idle at count 1, and page tables
// take no reference; since v6.15 it is idle at 0, and each mapping takes one. Which of the two a
// recording comes from is told by `--kernel`, by what the recording says of its kernel, or by events
// that only one of them can print.

export interface KernelRules {
  readonly model: "one-based" | "zero-based";
  /** For people: which kernels these are. */
  readonly versions: string;
  /** Count of an FS-DAX page that nobody outside of the file system refers to, apart from mappings. */
  readonly fsdaxIdle: number;
  /** The waiter in break-layouts sleeps until the count is this. */
  readonly wakeAt: number;
  /** Each page-table entry of an FS-DAX page holds a reference, counted in mapcount, too. */
  readonly mappingHoldsReference: boolean;
  /** Whether a file that nobody maps is scanned for referenced pages at all. */
  readonly scansUnmappedFiles: boolean;
}

export const oneBased: KernelRules = {
  model: "one-based",
  versions: "v4.20 to v6.14",
  fsdaxIdle: 1,
  wakeAt: 1,
  mappingHoldsReference: false,
  scansUnmappedFiles: false,
};

export const zeroBased: KernelRules = {
  model: "zero-based",
  versions: "v6.15 and later",
  fsdaxIdle: 0,
  wakeAt: 0,
  mappingHoldsReference: true,
  scansUnmappedFiles: true,
};

/** `6.12.117+deb12-amd64`, `v6.12`, `Linux host 6.1.0-52 …` → rules; null if no version is in it. */
export function rulesOfVersion(text: string): KernelRules | null {
  const m = /(?:^|[^\d.])v?(\d+)\.(\d+)/.exec(text);
  if (m === null) return null;
  const major = Number(m[1]);
  const minor = Number(m[2]);
  if (major < 2 || major > 99) return null;
  return major > 6 || (major === 6 && minor >= 15) ? zeroBased : oneBased;
}

/** Events that only one of the two models has. */
const tellsModel: ReadonlyMap<string, KernelRules> = new Map([
  ["put_devmap_managed", oneBased],
  ["vmf_insert_mixed_mkwrite", oneBased],
  ["vmf_insert_pfn_pmd", oneBased],
  ["vmf_insert_page_mkwrite", zeroBased],
  ["vmf_insert_folio_pmd", zeroBased],
  ["dax_break_layout", zeroBased],
  ["dax_break_layout_final", zeroBased],
  ["dax_folio_reset_order", zeroBased],
  ["dax_delete_mapping_range", zeroBased],
]);

/** Offset of `_refcount` in struct page: the key of the wait queue in one-based kernels. */
export const REFCOUNT_OFFSET = 0x34;

/** Recognises the kernel as events come. What was stated beats what was recognised. */
export class KernelRecogniser {
  rules: KernelRules | null = null;
  /** How it was recognised, in words; empty if it was not. */
  because = "";
  /** Set if events contradict what was recognised. */
  contradiction = "";
  #stated = false;

  state(rules: KernelRules, because: string): void {
    this.rules = rules;
    this.because = because;
    this.#stated = true;
  }

  sawEvent(name: string): void {
    const rules = tellsModel.get(name);
    if (rules === undefined) return;
    this.#saw(rules, `it has ${name}()`);
  }

  /** wake_up_var() was called for a device page, with this offset into struct page. */
  sawWakeKey(offset: number): void {
    if (offset === REFCOUNT_OFFSET) this.#saw(oneBased, "wake_up_var() gets &page->_refcount");
    else if (offset === 0) this.#saw(zeroBased, "wake_up_var() gets the page itself");
  }

  /** A count that only one of the models can produce, on a page of a device. */
  sawCount(rules: KernelRules, because: string): void {
    if (this.rules === null) this.#saw(rules, because);
  }

  #saw(rules: KernelRules, because: string): void {
    if (this.rules === null) {
      this.rules = rules;
      this.because = because;
    } else if (this.rules !== rules && this.contradiction === "") {
      this.contradiction = `${because}, which belongs to ${rules.versions}`;
      if (!this.#stated) this.contradiction = `${this.because}, but ${because}`;
    }
  }
}
