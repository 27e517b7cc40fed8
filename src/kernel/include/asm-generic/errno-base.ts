// Errors of system calls; functions return them as negative numbers. Source: include/uapi/asm-generic/errno-base.h and errno.h.
export const ENXIO = 6;
export const EAGAIN = 11;
export const ENOMEM = 12;
export const EFAULT = 14;
export const EBUSY = 16;
export const EEXIST = 17;
export const EXDEV = 18;
export const ENODEV = 19;
export const EINVAL = 22;
export const EFBIG = 27;
export const ENOSPC = 28;
export const EMLINK = 31;
export const EOPNOTSUPP = 95;
export const EFSCORRUPTED = 117;
export const EREMOTEIO = 121;
