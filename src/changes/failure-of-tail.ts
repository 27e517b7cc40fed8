// A remedy for memory failure of the middle of a folio of FS-DAX. None has been posted; it is a candidate of ours.
import { change } from "../kernel/kernel.ts";
import { READ_ONCE } from "../kernel/lib/atomic.ts";

export const failureOfTail = change({
  name: "failure-of-tail",
  subject: "mm/memory-failure: look who maps the page that is bad, not the head of its folio",
  source: "a candidate of ours",
  about: "Does it do to look for the page itself? That PG_hwpoison is set in the head stays as it is.",
  after: ["fsdax-refcounts"],
  functions: {
    *mf_generic_pgoff(_k, folio, pfn) {
      const index = yield* READ_ONCE(folio.index);
      return index + pfn - folio.page.pfn;
    },
  },
});
