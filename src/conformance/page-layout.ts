// Where the words of a struct page lie on x86-64, for the kernels that the lab knows. What differs
// between releases is the numbering of the flags and the overlay of a large folio's counts on the page
// after its head; the words of a single page have stayed where they are.
//
// Source: include/linux/mm_types.h:struct page, struct folio; include/linux/page-flags.h:enum pageflags

export interface PageLayout {
  /** First release that has it, as [major, minor]. */
  readonly since: readonly [number, number];
  /** Bit numbers in the flags word. */
  readonly bits: { readonly locked: number; readonly head: number; readonly hwpoison: number };
  /** 32-bit words of a large folio, as byte offsets in the page after the head. */
  readonly folio: { readonly mapcount: number; readonly pincount: number };
}

/** Newest first. Only FS-DAX of 6.15 and later, and device-dax, have large folios at all. */
const layouts: readonly PageLayout[] = [
  { since: [6, 15], bits: { locked: 0, head: 6, hwpoison: 21 }, folio: { mapcount: 0x10, pincount: 0x1c } },
  { since: [6, 11], bits: { locked: 0, head: 6, hwpoison: 20 }, folio: { mapcount: 0x10, pincount: 0x1c } },
  { since: [0, 0], bits: { locked: 0, head: 16, hwpoison: 23 }, folio: { mapcount: 0x14, pincount: 0x18 } },
];

/** The layout of a release such as `6.12.117+deb12-amd64`. */
export function pageLayout(release: string): PageLayout {
  const [, major = "0", minor = "0"] = /^(\d+)\.(\d+)/.exec(release) ?? [];
  const at = Number(major) * 1000 + Number(minor);
  const found = layouts.find(({ since }) => at >= since[0] * 1000 + since[1]);
  return found ?? (layouts[layouts.length - 1] as PageLayout);
}
