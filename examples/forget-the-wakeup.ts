// A change of one's own: what if the hook of one-based pages did not wake anybody?
import { change, folio_ref_sub_return } from "pagelife/kernel";

export default change({
  name: "my/forget-the-wakeup",
  subject: "mm: drop FS-DAX references without a wakeup",
  source: "an example",
  onto: ["v6.12"],
  functions: {
    *__put_devmap_managed_folio_refs(_k, folio, refs) {
      yield* folio_ref_sub_return(folio, refs);
      return true;
    },
  },
});
