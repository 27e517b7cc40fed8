// The flags of get_user_pages and the errors that it gives. Source: include/linux/mm_types.h, errno.h.

/** gup_flags. */
export const FOLL_WRITE = 1 << 0;
export const FOLL_GET = 1 << 1;
export const FOLL_LONGTERM = 1 << 8;
export const FOLL_PCI_P2PDMA = 1 << 10;
export const FOLL_TOUCH = 1 << 16;
export const FOLL_FAST_ONLY = 1 << 17;
export const FOLL_PIN = 1 << 18;

/** Errors of the kernel that modelled functions return, negative as there. */
export const EAGAIN = 11;
export const ENOMEM = 12;
export const EFAULT = 14;
export const EBUSY = 16;
export const EEXIST = 17;
export const ENODEV = 19;
export const EINVAL = 22;
export const EMLINK = 31;
export const EOPNOTSUPP = 95;
export const EREMOTEIO = 121;
