// What setup and threads do with the kernel that cannot be done, and how it is told.
import { describe, expect, it } from "vitest";
import { drawCell } from "../../src/cli/draw-cell.ts";
import type { Finding } from "../../src/explore/outcome.ts";
import { changed, ownFiles, punch } from "./own-file.ts";

const { cellOf, check } = ownFiles();

describe("what cannot be done with the kernel is told with the line", () => {
  const touch = "yield* k.touch(mm, 0, true);";
  it.each([
    {
      name: "a page that the process does not have",
      from: touch,
      to: "yield* k.touch(mm, 7, true);",
      says: "setup of two-unpinners-vs-punch-hole: process mm has no page 7, but 1 from page 0 on",
    },
    {
      name: "a page that the process does not map",
      from: touch,
      to: "const other = createProcess(k, 'other', 1); yield* k.touch(other, 0, true);",
      says: "setup of two-unpinners-vs-punch-hole: process other touches page 0, where it never has a mapping",
    },
    {
      name: "a mode that does not exist",
      from: punch,
      to: 'yield* k.vfs_fallocate(inode, "PUNCH" as never, 0, 1);',
      says: 'ext4 has no mode "PUNCH"; it has punch-hole, collapse-range, insert-range',
    },
    {
      name: "a mode of another file system",
      from: punch,
      to: 'yield* k.vfs_fallocate(inode, "unshare-range", 0, 1);',
      says: 'ext4 has no mode "unshare-range"',
    },
    {
      name: "a function of another file system",
      from: punch,
      to: 'yield* k.xfs_file_fallocate(inode, "punch-hole", 0, 1);',
      says: "thread punch: xfs_file_fallocate() was called on file, a file of ext4",
    },
    {
      name: "a clone on ext4",
      from: punch,
      to: "yield* k.vfs_clone_file_range(inode, inode, 1);",
      says: "ext4 cannot share blocks",
    },
    {
      name: "a pin outside of any process",
      from: "yield* k.unpin_user_pages(first);",
      to: "yield* k.pin_user_pages_fast(0, 1, FOLL_WRITE);",
      says: "thread first: first pins pages and runs in no process",
    },
    {
      name: "a process made in a thread",
      from: punch,
      to: 'yield* k.touch(createProcess(k, "other", 1), 0, true);',
      says: "thread punch: cell other.mmap_lock is made here, and only setup makes things",
    },
    {
      name: "a second process of one name",
      from: touch,
      to: "createProcess(k, mm.name, 1);",
      says: "there is a process called mm already",
    },
    {
      name: "a file that loses its name twice",
      from: punch,
      to: "yield* k.vfs_unlink(inode); yield* k.vfs_unlink(inode);",
      says: "vfs_unlink() of file, which has no name any more",
    },
    {
      name: "a file for a DAX device",
      from: punch,
      to: "yield* k.kill_dev_dax(inode);",
      says: "kill_dev_dax() takes a DAX device",
    },
    {
      name: "thawing what cannot be frozen",
      from: punch,
      to: "yield* k.thaw_super(inode.i_sb);",
      says: "thaw_super() needs a file system that counts its writers",
    },
    {
      name: "a number for pages",
      from: "yield* k.unpin_user_pages(first);",
      to: "yield* k.unpin_user_pages(-14 as never);",
      says: "unpin_user_pages() takes pages, and was given -14",
    },
    {
      name: "a page frame without struct page",
      from: punch,
      to: "yield* k.memory_failure_dev_pagemap(0x99 as never);",
      says: "thread punch: pfn 0x99 has no struct page",
    },
    {
      name: "pages for a folio",
      from: "yield* k.unpin_user_pages(first);",
      to: "yield* k.folio_put(first as never);",
      says: "thread first: folio_put() takes a folio, page.folio or that of page_folio(), and was given a list of 1",
    },
    {
      name: "pages for a page",
      from: "yield* k.unpin_user_pages(first);",
      to: "yield* k.put_user_page(first as never);",
      says: "thread first: put_user_page() takes one page, and was given a list of 1",
    },
    {
      name: "pages for a process",
      from: "yield* k.unpin_user_pages(first);",
      to: "yield* k.touch(first as never, 0, true);",
      says: "thread first: touch() takes a process first, and was given a list of 1",
    },
    {
      name: "a process for a mapping",
      from: touch,
      to: "yield* k.munmap(mm as never);",
      says: "munmap() takes a mapping of a process, and was given a process called mm",
    },
    {
      name: "what is no number for one",
      from: punch,
      to: 'yield* k.do_truncate(inode, "0" as never);',
      says: 'do_truncate() takes a whole number from 0 on second, and was given "0"',
    },
    {
      name: "a missing argument",
      from: touch,
      to: "yield* (k as never as { touch: typeof k.store }).touch(mm, 0);",
      says: "touch() takes true or false third, and was given nothing",
    },
    {
      name: "an empty range",
      from: punch,
      to: "yield* k.ext4_punch_hole(inode, 0, 0);",
      says: "the page after the last third, and was given 0: no range goes from page 0 to before page 0",
    },
    {
      name: "swapped arguments in setup",
      from: "yield* mapFile(k, mm, inode,",
      to: "yield* mapFile(k, inode as never, mm as never,",
      says: "mapFile() takes a process second, and was given a file called file",
    },
    {
      name: "setup without the kernel",
      from: "mountDax(k, 1)",
      to: "mountDax(1 as never, 1)",
      says: "mountDax() takes the kernel first, and was given 1",
    },
    {
      name: "a file system of no blocks",
      from: "mountDax(k, 1)",
      to: "mountDax(k, 0)",
      says: "has no pages",
    },
    {
      name: "a file system that there is not",
      from: "mountDax(k, 1)",
      to: 'mountDax(k, 1, "btrfs" as never)',
      says: 'no file system is called "btrfs"',
    },
  ])("$name", async ({ from, to, says }) => {
    const { text, line } = changed(from, to);
    const said = await check(text);
    expect(said).toMatch(/^PL210: /);
    expect(said).toContain(says);
    expect(said).toContain(`FILE:${line})`);
  });
});

it("a rule that is broken when setup ends is drawn as such", async () => {
  const { text } = changed(
    "noWarning]",
    'noWarning, { name: "mine", check: () => "broken from the start" }]',
  );
  const cell = await cellOf(text);
  const finding: Finding = {
    kind: "invariant",
    property: "mine",
    detail: "broken from the start",
    threads: [],
  };
  expect(drawCell(cell, { schedule: [], loop: null, finding })).toBe(
    [
      " Possible unsafe page lifetime, v6.12, 0 context switches:",
      "",
      "    setup has ended, and no thread has run yet",
      "",
      " *** RULE BROKEN: mine ***  broken from the start",
    ].join("\n"),
  );
});
