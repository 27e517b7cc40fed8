// What callers of some functions of the kernel must see to. In Linux the virtual file system or the system call
// does; here a scenario may call what lies below, and types are not checked when its file is run.
import { requireUse } from "../base/errors.ts";
import {
  FALLOC_FL_COLLAPSE_RANGE,
  FALLOC_FL_INSERT_RANGE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_UNSHARE_RANGE,
  type Inode,
} from "./include/linux/fs.ts";
import type { Folio, Page } from "./include/linux/mm_types.ts";

/** @throws {@link PagelifeError} PL210 if a function cannot be called like this. */
type Guard = (args: readonly unknown[]) => void;

const modesOf: Readonly<Record<string, readonly string[]>> = {
  ext4: [FALLOC_FL_PUNCH_HOLE, FALLOC_FL_COLLAPSE_RANGE, FALLOC_FL_INSERT_RANGE],
  xfs: [FALLOC_FL_PUNCH_HOLE, FALLOC_FL_COLLAPSE_RANGE, FALLOC_FL_INSERT_RANGE, FALLOC_FL_UNSHARE_RANGE],
  fuse: [FALLOC_FL_PUNCH_HOLE],
};

/** What is to be seen to before a function is called; null for most. */
export function guardOf(name: string): Guard | null {
  if (name === "unpin_user_pages") return ([pages]) => requirePages(pages);
  if (name === "folio_put") return ([folio]) => requireFolio(name, folio);
  if (takePage.includes(name)) return ([page]) => requirePage(name, page);
  const fileSystem = /^(ext4|xfs|fuse)_/.exec(name)?.[1];
  if (name.endsWith("_fallocate")) {
    return (args) => {
      if (fileSystem !== undefined) requireFileSystem(name, fileSystem, args[0]);
      requireRange(name, args);
    };
  }
  return fileSystem === undefined ? null : ([inode]) => requireFileSystem(name, fileSystem, inode);
}

function requirePages(pages: unknown): void {
  requireUse(
    Array.isArray(pages),
    `unpin_user_pages() takes pages, and was given ${String(pages)}: a pin that fails returns a negative number`,
  );
}

/** Functions that take one page. */
const takePage: readonly string[] = ["put_page", "put_user_page", "unpin_user_page", "user_is_done"];

const isPage = (value: unknown): boolean => (value as Page | undefined)?.zone !== undefined;

/** A value that is not what it should be, by its kind. */
function shown(value: unknown): string {
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (isPage(value)) return "a page";
  if ((value as Folio | undefined)?.page !== undefined) return "a folio";
  return String(value);
}

function requireFolio(name: string, folio: unknown): void {
  const ok = (folio as Folio | undefined)?.page !== undefined;
  requireUse(
    ok,
    `${name}() takes a folio, page.folio or that of page_folio(), and was given ${shown(folio)}`,
  );
}

function requirePage(name: string, page: unknown): void {
  requireUse(isPage(page), `${name}() takes one page, and was given ${shown(page)}`);
}

/** What is no inode has no file system to be looked at. */
const fileSystemOf = (inode: unknown): string | undefined => (inode as Inode | undefined)?.i_sb?.s_type?.name;

function requireFileSystem(name: string, fileSystem: string, inode: unknown): void {
  const found = fileSystemOf(inode);
  requireUse(
    found === undefined || found === fileSystem,
    `${name}() was called on ${(inode as Inode)?.name}, a file of ${found}`,
  );
}

function requireRange(name: string, [inode, mode, first, end]: readonly unknown[]): void {
  const fileSystem = fileSystemOf(inode);
  requireUse(fileSystem !== undefined, `${name}() takes a file first`);
  const modes = modesOf[fileSystem] ?? [];
  const { name: file } = inode as Inode;
  requireUse(
    modes.includes(mode as string),
    `${name}() of ${file}: ${fileSystem} has no mode "${String(mode)}"; it has ${modes.join(", ") || "none"}`,
  );
  requireUse(
    typeof first === "number" && typeof end === "number" && first >= 0 && first < end,
    `${name}() of ${file}: no range goes from page ${String(first)} to before page ${String(end)}`,
  );
}
