// The differences between real kernels and the subsystem that are known and accepted. An entry states a
// reason that a reader can check; `docs/conformance.md` is generated with it. The table is short on
// purpose: what is not here is a failure of the comparison.
import type { Simplification } from "./compare.ts";

export const simplifications: readonly Simplification[] = [
  {
    id: "pin-of-shared-page-spins",
    reason:
      "PAGE_MAPPING_DAX_SHARED is the bit that says PAGE_MAPPING_ANON, so `mm/internal.h:gup_must_unshare()` takes a shared FS-DAX page for an anonymous one that must be unshared first; the fault does nothing and GUP tries again without end, until the process is killed. The subsystem does not unshare in GUP, and pins the page",
    field: "status",
    ops: ["pin"],
    kernels: ["v6.12"],
    real: "spins",
    model: "done",
    afterwards: "stop",
  },
];
