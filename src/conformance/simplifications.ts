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
  {
    id: "get-of-zero-page",
    reason:
      "FOLL_GET takes a reference to the zero page as to any other (`mm/gup.c:try_grab_folio()`); the subsystem takes none, and finds one too many dropped when it is given back",
    field: "status",
    kernels: ["v5.18", "v6.12"],
    model: "failed (no-free-of-one-based-page: the base reference of pfn 0x0 was dropped)",
    afterwards: "stop",
  },
  {
    id: "partial-pin",
    reason:
      "when a later page of a range cannot be had, `mm/gup.c:__get_user_pages()` returns how many it took before and the caller goes on with those; the subsystem gives them back and fails",
    field: "errno",
    ops: ["pin"],
    real: "0",
    model: "14",
    afterwards: "stop",
  },
];
