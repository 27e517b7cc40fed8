// The entries of the table with circumstances of their own: what they excuse, and that they excuse nothing beside it.
import { expect, it } from "vitest";
import { compare } from "../../src/conformance/compare.ts";
import type { Backing, Observation, PageState } from "../../src/conformance/observation.ts";
import type { Operation, Program } from "../../src/conformance/program.ts";
import { simplifications } from "../../src/conformance/simplifications.ts";

const page = (refcount: number, mapping: PageState["mapping"]): PageState => ({
  refcount,
  mapcount: 0,
  pincount: refcount >> 10,
  mapping,
  flags: [],
});

const after = (op: number, backing: Backing, detached: Observation["detached"] = {}): Observation => ({
  op,
  status: "done",
  errno: 0,
  woken: [],
  files: [[backing]],
  detached,
  unasked: [],
});

const program = (...ops: Operation[]): Program => ({
  name: "p",
  fs: "xfs",
  files: [{ pages: 1, allocated: 1, huge: false, watch: 0 }],
  ops,
});

it("excuses a filled hole whose block is still in use, only while there is such a block", () => {
  const fill: Operation = { op: "touch", proc: 0, map: 0, page: 0, write: true };
  const compareFill = (before: Backing, detached: Observation["detached"]): string | undefined =>
    compare(
      program(fill),
      [after(-1, before, detached), after(0, page(1, "file"))],
      [after(-1, before, detached), after(0, page(1025, "file"))],
      "v6.12",
      simplifications,
    )
      .compared.at(-1)
      ?.by.join();
  const inUse = { "0/7": page(1025, "none") };
  expect(compareFill("hole", inUse)).toBe("block-in-use-is-given-out");
  expect(compareFill("hole", {})).toBe("");
  expect(compareFill(page(1, "file"), inUse)).toBe("");
});
