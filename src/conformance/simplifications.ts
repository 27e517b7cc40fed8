// The differences between real kernels and the subsystem that are known and accepted. An entry states a
// reason that a reader can check; `docs/conformance.md` is generated with it. The table is short on
// purpose: what is not here is a failure of the comparison.
import type { Circumstances, Simplification } from "./compare.ts";
import type { Backing, Observation } from "./observation.ts";
import type { Operation, Program } from "./program.ts";

/** What is behind the page that differs. */
function backingAt({ difference }: Circumstances, o: Observation): Backing | undefined {
  const [file = 0, page = 0] = difference.place.split("/").map(Number);
  return o.files[file]?.[page];
}

const isShared = (b: Backing | undefined): boolean => typeof b === "object" && b.mapping === "shared";

/** The mapping that a process, or the one that it was forked from, made last before an operation. */
function mappingOf(program: Program, proc: number, map: number, before: number): Operation | undefined {
  const earlier = program.ops.slice(0, before);
  const at = earlier.findLastIndex(
    (o) => (o.op === "mmap" && o.proc === proc && o.map === map) || (o.op === "fork" && o.child === proc),
  );
  const found = earlier[at];
  return found?.op === "fork" ? mappingOf(program, found.proc, map, at) : found;
}

/** True if an operation reads through a private mapping for a pin. */
function pinsPrivately(program: Program, op: number): boolean {
  const pin = program.ops[op];
  if (pin?.op !== "pin" || pin.write) return false;
  const mapping = mappingOf(program, pin.proc, pin.map, op);
  return mapping?.op === "mmap" && !mapping.shared;
}

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
    id: "pin-of-shared-page-copies",
    reason:
      "As above, through a private mapping: there the fault copies, and the pin is one of an anonymous page. The subsystem pins the page of the file",
    field: "refcount",
    ops: ["pin"],
    kernels: ["v6.12"],
    when: (c) =>
      pinsPrivately(c.program, c.difference.op) &&
      isShared(backingAt(c, c.real)) &&
      isShared(backingAt(c, c.model)),
    afterwards: "stop",
  },
  {
    id: "block-in-use-is-given-out",
    reason:
      "A file system of a one-based kernel frees blocks whose pages are still pinned, through no mapping. Which free block a file gets next is its own affair, so the page of a hole that was filled may be such a one on one side only",
    field: "refcount",
    kernels: ["v6.1", "v6.12"],
    when: (c) =>
      c.before !== null &&
      backingAt(c, c.before.real) === "hole" &&
      backingAt(c, c.before.model) === "hole" &&
      Object.keys(c.before.model.detached).length > 0,
    afterwards: "stop",
  },
];
