// Errors of system calls; functions return them as negative numbers. Source: include/uapi/asm-generic/errno-base.h.
export const ENXIO = 6;
export const EBUSY = 16;
export const EXDEV = 18;
export const EINVAL = 22;
export const EFBIG = 27;
export const ENOSPC = 28;
