// What arguments are, by kind: types say so to who runs a type checker, and files of one's own are run without one.
import { requireUse } from "../base/errors.ts";
import { identity, type Modelled } from "../explore/value.ts";
import type { AddressSpace, Inode, SuperBlock } from "./include/linux/fs.ts";
import type { Folio, MmStruct, Page, VmArea } from "./include/linux/mm_types.ts";
import type { Kernel } from "./kernel.ts";

/** The kinds, and the type of each. */
interface Kinds {
  kernel: Kernel;
  mm: MmStruct;
  vma: VmArea;
  inode: Inode;
  mapping: AddressSpace;
  super_block: SuperBlock;
  page: Page;
  pages: readonly Page[];
  folio: Folio;
  number: number;
  /** One past the last page of a range, of which the first is the argument before. */
  end: number;
  boolean: boolean;
  name: string;
}

export type Kind = keyof Kinds;

/** The kinds that a function with these parameters can take; null for what is not looked at, and none for the rest. */
export type Takes<Parameters extends readonly unknown[]> = {
  readonly [I in keyof Parameters]?: KindOf<Parameters[I]> | null;
};

type KindOf<T> = { [K in Kind]: T extends Kinds[K] ? K : never }[Kind];

interface Shape {
  /** In an error: "takes …". */
  readonly words: string;
  readonly is: (value: unknown, before: unknown) => boolean;
  /** What is wrong with another value. */
  readonly hint?: (value: unknown, before: unknown) => string;
}

/** Objects that setup makes are known by their kind and their number: `inode0`. */
const made = (kind: Kind, words: string): Shape => ({
  words,
  is: (value) => kindOf(value) === kind,
});

const kindOf = (value: unknown): string | undefined =>
  /^[a-z_]+/.exec((value as Partial<Modelled> | null | undefined)?.[identity] ?? "")?.[0];

const shapes: Readonly<Record<Kind, Shape>> = {
  kernel: { words: "the kernel", is: (value) => kindOf(value) === "k" },
  mm: made("mm", "a process"),
  vma: made("vma", "a mapping of a process"),
  inode: made("inode", "a file"),
  mapping: made("mapping", "the pages of a file, inode.i_mapping"),
  super_block: made("super_block", "a file system"),
  page: made("page", "one page"),
  pages: { words: "pages", is: Array.isArray, hint: () => "a pin that fails returns a negative number" },
  folio: made("folio", "a folio, page.folio or that of page_folio()"),
  number: {
    words: "a whole number from 0 on",
    is: (value) => Number.isInteger(value) && (value as number) >= 0,
  },
  end: {
    words: "the page after the last",
    is: (value, before) => Number.isInteger(value) && (value as number) > (before as number),
    hint: (value, before) => `no range goes from page ${String(before)} to before page ${String(value)}`,
  },
  boolean: { words: "true or false", is: (value) => typeof value === "boolean" },
  name: { words: "a name", is: (value) => typeof value === "string" },
};

const ordinals = ["first", "second", "third", "fourth", "fifth"];

/**
 * Looks at arguments. Those that are left out are looked at, too.
 *
 * @throws {@link PagelifeError} PL210 if one is not of its kind.
 */
export function requireKinds(
  name: string,
  kinds: readonly (Kind | null | undefined)[],
  args: readonly unknown[],
): void {
  for (const [i, kind] of kinds.entries()) {
    if (kind === null || kind === undefined) continue;
    const { words, is, hint } = shapes[kind];
    const place = kinds.length > 1 ? ` ${ordinals[i]}` : "";
    const value = args[i];
    const before = args[i - 1];
    const why = hint === undefined ? "" : `: ${hint(value, before)}`;
    requireUse(is(value, before), `${name}() takes ${words}${place}, and was given ${shown(value)}${why}`);
  }
}

/** A value that is not what it should be. */
function shown(value: unknown): string {
  if (value === undefined) return "nothing";
  if (typeof value === "string") return `"${value}"`;
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value !== "object" || value === null) return String(value);
  const shape = Object.hasOwn(shapes, kindOf(value) ?? "") ? shapes[kindOf(value) as Kind] : null;
  if (shape === null) return "something else";
  const [words] = shape.words.split(",");
  const { name } = value as { name?: string };
  return name === undefined ? `${words}` : `${words} called ${name}`;
}
