/**
 * A number or string that may not be mixed up with another of the same shape.
 * The brand exists for the type checker only.
 */
export type Brand<T, Name extends string> = T & { readonly __brand: Name };

/** A page frame number. `number`: 2^53 pages of 4 KiB are more than any machine has. */
export type Pfn = Brand<number, "Pfn">;

/** Names a page frame number that is known to be one. */
export const pfn = (n: number): Pfn => n as Pfn;

/** `0x40`, as the kernel prints a pfn. */
export const hex = (n: number | bigint): string => `0x${n.toString(16)}`;

/** Nanoseconds of a trace clock. `bigint`: 2^53 ns is only 104 days of uptime. */
export type TimeNs = Brand<bigint, "TimeNs">;
