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

const map = (shared: boolean): Operation => ({
  op: "mmap",
  proc: 0,
  map: 0,
  file: 0,
  page: 0,
  pages: 1,
  shared,
  writable: true,
});
const fork: Operation = { op: "fork", proc: 0, child: 2 };
const pin = (proc: number, write = false): Operation => ({
  op: "pin",
  proc,
  pin: 0,
  map: 0,
  page: 0,
  pages: 1,
  how: "odirect",
  write,
});

/** How a pin compares that raises the count of a shared page in the subsystem only. */
function comparePin(ops: Operation[], mapping: PageState["mapping"] = "shared"): string | undefined {
  const last = ops.length - 1;
  const real = [after(-1, page(1, mapping)), after(last, page(1, mapping))];
  const model = [after(-1, page(1, mapping)), after(last, page(1025, mapping))];
  return compare(program(...ops), real, model, "v6.12", simplifications)
    .compared.at(-1)
    ?.by.join();
}

it("excuses a pin of a shared page that copies, through a private mapping only", () => {
  expect(comparePin([map(false), pin(0)])).toBe("pin-of-shared-page-copies");
  expect(comparePin([map(false), fork, pin(2)])).toBe("pin-of-shared-page-copies");
  expect(comparePin([map(true), pin(0)])).toBe("");
  expect(comparePin([map(false), fork, map(true), pin(0)])).toBe("");
  expect(comparePin([map(false), pin(0, true)])).toBe("");
  expect(comparePin([map(false), pin(0)], "file")).toBe("");
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
