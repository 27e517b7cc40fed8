// Values and cells as they stand in diagrams: short, and in the kernel's words.
import type { Cell } from "../explore/access.ts";
import { identity, type Modelled, type Value } from "../explore/value.ts";

/** Names that the margin of a diagram shortens. */
const SHORT: Readonly<Record<string, string>> = { _refcount: "ref", _mapcount: "map" };

/** `page[0x40]._refcount` is `ref`; `mm.pte[0]` is `pte[0]`. */
export function cellName(cell: Pick<Cell, "name">): string {
  const last = cell.name.slice(cell.name.lastIndexOf(".") + 1);
  return SHORT[last] ?? last;
}

/** `page[0x40]._refcount` is `ref(0x40)`; `mm.pte[0]` is as it stands. */
export function longCellName(cell: Pick<Cell, "name">): string {
  const pfn = /^page\[(\w+)\]\./.exec(cell.name)?.[1];
  return pfn === undefined ? cell.name : `${cellName(cell)}(${pfn})`;
}

/** A value in a few characters. */
export function valueText(value: unknown): string {
  if (value === null || value === undefined) return "none";
  if (typeof value !== "object") return String(value);
  if (Array.isArray(value)) return value.length === 0 ? "none" : value.map(valueText).join("+");
  const { pfn, kind, locked } = value as { pfn?: Value; kind?: Value; locked?: Value };
  const lock = locked === true ? " locked" : "";
  if (typeof pfn === "number" && kind !== "empty")
    return `${kind === "zero" ? "zero page" : `pfn 0x${pfn.toString(16)}`}${lock}`;
  if (typeof kind === "string") return `${kind}${lock}`;
  const { readers, writer } = value as { readers?: Value; writer?: Value };
  if (Array.isArray(readers)) return lockText(readers, writer);
  const { name } = value as { name?: Value };
  if (typeof name === "string") return name;
  return (value as Partial<Modelled>)[identity] ?? "…";
}

/** Who has a lock for reading, or has it or wants it for writing. */
function lockText(readers: readonly Value[], writer: Value): string {
  const writers = typeof writer === "string" ? [`${writer} (writer)`] : [];
  return [...readers, ...writers].join("+") || "none";
}

/** An argument as a call prints it, or null where it says nothing to a reader. */
export function argumentText(value: unknown): string | null {
  return typeof value === "number" || typeof value === "string" ? String(value) : null;
}
