// Whether a put would have left an event in this recording: only then does its absence say that a reference
// is still held.
import type { HolderKind, PageState } from "../trackers/page-state.ts";
import type { AnalysisContext } from "./context.ts";

/** What of a holder matters here. */
interface Held {
  readonly kind: HolderKind | "mixed";
  readonly event: string;
  readonly stack: { readonly frames: readonly string[] } | null;
}

const PUTS_OF_PINS = [
  "unpin_user_page",
  "unpin_user_folio",
  "gup_put_folio",
  "put_devmap_managed",
  "unpin_user_page_range",
];
const FREES = ["folio_put", "free_zone_device_folio"];

/**
 * In v6.1 bios give their references back with folio_put_refs(), which does not come by where puts of
 * FS-DAX are counted. There get_user_pages_fast() grabs with try_grab_folio().
 * Source: block/bio.c:__bio_release_pages()
 */
export const givenBackUnseen = ({ event, stack }: Held): boolean =>
  stack === null
    ? event === "try_grab_folio"
    : stack.frames.some((f) => f.startsWith("bio_") || f.startsWith("iomap_dio_"));

export function putsAreVisible(c: AnalysisContext, held: Held, pages: readonly PageState[]): boolean {
  if (pages.length > 0 && pages.every((p) => p.traced)) return true;
  const on = (names: readonly string[]): boolean => names.some((name) => c.watched.has(name));
  if (held.kind === "pin") return on(PUTS_OF_PINS);
  if (c.rules?.model !== "zero-based") return on(["put_devmap_managed"]) && !givenBackUnseen(held);
  // A put is seen where it frees the page: so if nothing but this holder keeps the page.
  return on(FREES) && pages.length > 0 && pages.every((p) => isLastReference(p));
}

const isLastReference = (page: PageState): boolean =>
  page.traced || (page.mappings === 0 && page.holders.length === 1 && page.count === page.holders[0]?.n);
