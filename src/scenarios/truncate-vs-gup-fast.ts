import type { Code } from "../explore/access.ts";
import type { Inode } from "../kernel/include/linux/fs.ts";
import type { MmStruct } from "../kernel/include/linux/mm_types.ts";
import {
  noMappingOfFreeBlock,
  noPinOnFreeBlock,
  noWarning,
  referencedFolioStaysInFile,
  referencesAddUp,
} from "../kernel/invariants.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { FOLL_WRITE } from "../kernel/mm/gup-flags.ts";
import { scenario } from "../kernel/scenario.ts";
import { createFile, createProcess, mapFile, mountDax } from "../kernel/setup.ts";
import { pinDroppedWithoutHook } from "./expectations.ts";

interface World {
  readonly mm: MmStruct;
  readonly inode: Inode;
}

function* setup(k: Kernel): Code<World> {
  const sb = mountDax(k, 1);
  const inode = yield* createFile(k, sb, "file", 1);
  const mm = createProcess(k, "mm", 1);
  yield* mapFile(k, mm, inode, 0, 1);
  yield* k.touch(mm, 0, true);
  return { mm, inode };
}

const truncate = {
  title: "punch hole",
  cpu: 0,
  *run(k: Kernel, { inode }: World): Code {
    yield* k.ext4_punch_hole(inode, 0, 1);
  },
};

export const truncateVsGupFast = scenario<World>({
  name: "truncate-vs-gup-fast",
  question: "Can a page be pinned without locks while its block is freed?",
  claim:
    "The scheme relies on unmapping to fence off GUP without locks, not on a count of 0 (Oct 2021, " +
    "reference/threads/003; the comment in dax_layout_busy_page_range()).",
  closed: "The caller gives up where the kernel would fall back to the slow path. Nobody munmaps.",
  setup,
  threads: {
    truncate,
    gup: {
      title: "gup-fast",
      cpu: 1,
      mm: ({ mm }) => mm,
      *run(k) {
        const pages = yield* k.pin_user_pages_fast_only(0, 1, FOLL_WRITE);
        if (typeof pages !== "number") yield* k.unpin_user_pages(pages);
      },
    },
  },
  invariants: [
    referencedFolioStaysInFile,
    noPinOnFreeBlock,
    noMappingOfFreeBlock,
    referencesAddUp,
    noWarning,
  ],
  expected: {
    "v5.10": {
      verdict: "holds",
      because: "the count is raised before the entry is looked at again, and read after it is cleared",
    },
    "v5.18": pinDroppedWithoutHook,
    "v5.18+fsdax-wakeup/folio-put": { verdict: "holds", because: "folio_put() itself looks for 2 -> 1" },
    "v5.18+fsdax-wakeup/gup-put": { verdict: "holds", because: "gup_put_folio() goes through the hook" },
    "v6.1": {
      verdict: "holds",
      because: "the count is raised before the entry is looked at again, and read after it is cleared",
    },
    "v6.12": {
      verdict: "holds",
      because: "the count is raised before the entry is looked at again, and read after it is cleared",
    },
    "v6.15": {
      verdict: "holds",
      because: "as before; and the count of an unmapped page is 0, so that no reference can be taken",
    },
    "v7.2": {
      verdict: "holds",
      because: "as before; and the count of an unmapped page is 0, so that no reference can be taken",
    },
  },
  twins: [
    {
      change: "twin/skip-pte-recheck",
      kernel: "v5.18",
      expect: "invariant",
      rule: "no-pin-on-free-block",
      because: "the entry is read, cleared, the page found idle and freed, and only then pinned",
    },
    {
      change: "twin/skip-pte-recheck",
      kernel: "v6.12",
      expect: "invariant",
      rule: "no-pin-on-free-block",
      because: "the entry is read, cleared, the page found idle and freed, and only then pinned",
    },
    {
      change: "twin/skip-pte-recheck",
      kernel: "v6.12",
      tlb: "ipi",
      expect: "survives",
      because: "the TLB flush waits for the walker, who has raised the count when the pages are scanned",
    },
    {
      change: "twin/skip-pte-recheck",
      kernel: "v7.2",
      expect: "survives",
      because:
        "the zap drops the count to 0, and a count of 0 is not raised; only a page used again would show it",
    },
    {
      change: "twin/scan-before-unmap",
      kernel: "v6.12",
      expect: "invariant",
      rule: "no-pin-on-free-block",
      because: "the page is pinned after the scan and before the entry is cleared",
    },
    {
      change: "twin/scan-before-unmap",
      kernel: "v7.2",
      expect: "invariant",
      rule: "no-pin-on-free-block",
      because: "the page is pinned after the scan and before the entry is cleared",
    },
    {
      change: "twin/hook-tests-zero",
      kernel: "v6.12",
      expect: "missed-wakeup",
      rule: "layout-break-returns",
      because: "the count goes from 1025 to 1 and never to 0",
    },
  ],
});

export const truncateVsGup = scenario<World>({
  name: "truncate-vs-gup",
  question: "And if the caller falls back to the slow path, which brings the page back?",
  claim: "As truncate-vs-gup-fast; our reading of both paths together.",
  closed: "Nobody munmaps, no signal arrives.",
  setup,
  threads: {
    truncate,
    gup: {
      title: "gup",
      cpu: 1,
      mm: ({ mm }) => mm,
      *run(k) {
        const pages = yield* k.pin_user_pages_fast(0, 1, FOLL_WRITE);
        if (typeof pages !== "number") yield* k.unpin_user_pages(pages);
      },
    },
  },
  invariants: [
    referencedFolioStaysInFile,
    noPinOnFreeBlock,
    noMappingOfFreeBlock,
    referencesAddUp,
    noWarning,
  ],
  expected: {
    "v5.10": { verdict: "holds", because: "mappings take no reference, so a refault changes nothing" },
    "v5.18": pinDroppedWithoutHook,
    "v6.1": { verdict: "holds", because: "mappings take no reference, so a refault changes nothing" },
    "v6.12": { verdict: "holds", because: "mappings take no reference, so a refault changes nothing" },
    "v6.15": {
      verdict: "stuck-wait",
      rule: "layout-break-returns",
      because: "the slow path maps the page again while the punch hole waits; the unpin then leaves 1, not 0",
    },
    "v7.2": {
      verdict: "stuck-wait",
      rule: "layout-break-returns",
      because: "the slow path maps the page again while the punch hole waits; the unpin then leaves 1, not 0",
    },
  },
});
