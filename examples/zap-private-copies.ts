// Breaks the kernel on purpose, to see that private-copy.ts would notice: a punch hole takes private copies, too.
import { change } from "pagelife/kernel";

export default change({
  name: "my/zap-private-copies",
  subject: "mm: zap what is mapped of a file, private copies included",
  source: "an example",
  functions: {
    *zap_pte_range(k, vma, first, end) {
      return yield* k.below.zap_pte_range(vma, first, end, true);
    },
  },
});
