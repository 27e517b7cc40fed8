// Bits of page flags, as far as anybody looks at them. Source: include/linux/page-flags.h.

export const PG_locked = 1 << 0;
/** Head page of a compound folio. */
export const PG_head = 1 << 1;
export const PG_hwpoison = 1 << 2;
/** Set on every page of device memory. */
export const PG_reserved = 1 << 3;
/** Of an anonymous page: one process alone has it, and may write to it in place. */
export const PG_anon_exclusive = 1 << 4;
export const PG_referenced = 1 << 5;
export const PG_active = 1 << 6;
export const PG_dirty = 1 << 7;
