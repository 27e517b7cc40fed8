// The differences between real kernels and the subsystem that are known and accepted. An entry states a
// reason that a reader can check; `docs/conformance.md` is generated with it. The table is short on
// purpose: what is not here is a failure of the comparison.
import type { Simplification } from "./compare.ts";

export const simplifications: readonly Simplification[] = [];
