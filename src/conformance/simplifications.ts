// The differences between real kernels and the subsystem that are known and accepted. An entry states a
// reason that a reader can check; `docs/conformance.md` is generated with it. The table is short on
// purpose: what is not here is a failure of the comparison.
import type { Circumstances, Simplification } from "./compare.ts";
import type { Backing, Observation } from "./observation.ts";

/** What is behind the page that differs. */
function backingAt({ difference }: Circumstances, o: Observation): Backing | undefined {
  const [file = 0, page = 0] = difference.place.split("/").map(Number);
  return o.files[file]?.[page];
}

export const simplifications: readonly Simplification[] = [
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
