// How the kernel knows that an anonymous page is one process's own, and what GUP does before it pins a page for reading
// that others may have, too: the process gets a page of its own.
import { change } from "../kernel/kernel.ts";
import { gup_must_unshare, gup_must_unshare_files } from "../kernel/mm/gup-unshare.ts";
import { copy_present_pte_exclusive } from "../kernel/mm/memory-fork.ts";

export const anonExclusive = change({
  name: "anon-exclusive",
  subject: "mm: remember exclusively mapped anonymous pages with PG_anon_exclusive",
  source: "commit 6c287605fd56, v5.19",
  about:
    "Before, a store through an entry that may not be written through copied every page with more than one reference, " +
    "that of its process alone included, if it was pinned; and fork() asked of any page whether it may be pinned.",
  functions: {
    has_anon_exclusive: () => true,
    copy_present_pte: copy_present_pte_exclusive,
  },
});

export const gupUnshare = change({
  name: "gup-unshare",
  subject: "mm/gup: trigger FAULT_FLAG_UNSHARE when R/O-pinning a possibly shared anonymous page",
  source: "commit a7f226604170, v5.19",
  about:
    "Before, a page that fork() had shared could be pinned for reading, and the next store of the process went to a copy: " +
    "what the pin reads and what the process writes were two pages from then on.",
  functions: { gup_must_unshare },
});

export const gupUnshareFiles = change({
  name: "gup-unshare-files",
  subject: "mm/gup: reliable R/O long-term pinning in COW mappings (series)",
  source: "commit 84209e87c696 and those before it, D. Hildenbrand, v6.2",
  about:
    "Before, so it was with a page of a file that a private mapping shows, also where it is pinned for long.",
  functions: {
    gup_must_unshare: gup_must_unshare_files,

    /** Models `mm/memory.c:do_wp_page()` @ v6.12: whatever a private mapping shows is copied. */
    wp_unshares_anon_only: () => false,
  },
});
