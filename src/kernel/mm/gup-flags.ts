// The flags of get_user_pages. Source: include/linux/mm_types.h.
export const FOLL_WRITE = 1 << 0;
export const FOLL_GET = 1 << 1;
export const FOLL_LONGTERM = 1 << 8;
export const FOLL_PCI_P2PDMA = 1 << 10;
export const FOLL_TOUCH = 1 << 16;
export const FOLL_FAST_ONLY = 1 << 17;
export const FOLL_PIN = 1 << 18;
