// A remedy for the folio whose pgmap is gone for a moment. None has been posted; it is a candidate of ours.
import { change } from "../kernel/kernel.ts";

export const daxResetKeepsPgmap = change({
  name: "dax-reset-keeps-pgmap",
  subject: "a folio that is taken apart gets its pgmap back in one store, over the links of its tails",
  source: "a candidate of ours",
  about:
    "The kernel clears the word first, also that of the head, which is no link. GUP without locks may read 0 there " +
    "before it has a reference, and free_zone_device_folio() after it has dropped the last one. zone_device_page_init() " +
    "of v7.2 does it in one store.",
  onto: ["v6.15", "v7.2"],
  functions: {
    *clear_compound_head() {},
  },
});
