// Bits of the kernel that recordings print as numbers, and that moved between versions.

// FOLL_PIN is 0x80000 since v6.3. Before, it was 0x40000, which is FOLL_REMOTE now; a grab has either
// FOLL_GET (2 now) or FOLL_PIN.
// Source: include/linux/mm_types.h, mm/internal.h
const FOLL_PIN = 0x80000;
const OLD_FOLL_PIN = 0x40000;
const FOLL_GET = 2;
export const isPin = (gup: number): boolean =>
  (gup & FOLL_PIN) !== 0 || ((gup & OLD_FOLL_PIN) !== 0 && (gup & FOLL_GET) === 0);

// FOLL_LONGTERM is 0x100 since v6.3, and was 0x10000 before.
/** Whether a pin is meant to be held for as long as its owner likes: registered buffers, RDMA, vfio. */
export const isLongterm = (gup: number): boolean =>
  (gup & FOLL_PIN) !== 0 ? (gup & 0x100) !== 0 : isPin(gup) && (gup & 0x10000) !== 0;

// PG_head is bit 6, with PG_reserved at 13; before v6.6 it was bit 16, with PG_reserved at 12. Every page
// of ZONE_DEVICE is reserved.
// Source: include/linux/page-flags.h
/** Whether a page is the head of a large folio. */
export const isHead = (flags: number): boolean =>
  (flags & 0x3000) === 0x1000 ? (flags & 0x10000) !== 0 : (flags & 0x40) !== 0;

/** Whether a page is reserved. Either layout: bit 13, or 12 before v6.6, where bit 12 is another one's now. */
export const isReserved = (flags: number): boolean => (flags & 0x3000) !== 0;
