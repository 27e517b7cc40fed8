// The series that normalised the counts of FS-DAX pages: a mapping holds a
// reference, an idle page has none, and break-layouts waits for 0.
import { change } from "../kernel/kernel.ts";
import {
  clear_compound_head,
  dax_folio_is_shared,
  dax_folio_make_shared,
  dax_folio_put,
  daxFunctions,
} from "./fsdax-refcounts/dax.ts";
import { deviceFunctions } from "./fsdax-refcounts/device.ts";
import { gupFunctions } from "./fsdax-refcounts/gup.ts";
import { memoryFunctions, vmf_insert_page_mkwrite } from "./fsdax-refcounts/memory.ts";
import { putFunctions } from "./fsdax-refcounts/put.ts";

export const fsdaxRefcounts = change({
  name: "fsdax-refcounts",
  subject: "fs/dax: properly refcount fs dax pages (series)",
  source: "commit 38607c62b34b and those before it, A. Popple, v6.15",
  about:
    "Before, an FS-DAX page had a base reference, a mapping took none, and every put had to look for 2 -> 1. " +
    "Afterwards a mapping holds a reference and counts, and the last put wakes who waits for 0.",
  adds: {
    vmf_insert_page_mkwrite,
    dax_folio_is_shared,
    dax_folio_make_shared,
    dax_folio_put,
    clear_compound_head,
  },
  functions: { ...putFunctions, ...gupFunctions, ...memoryFunctions, ...daxFunctions, ...deviceFunctions },
});
