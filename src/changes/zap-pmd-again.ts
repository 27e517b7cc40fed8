// What a zap does where a fault has brought a huge entry since it took one apart.
import { change } from "../kernel/kernel.ts";

export const zapPmdAgain = change({
  name: "zap-pmd-again",
  subject: "mm/memory: allow pte_offset_map[_lock]() to fail",
  source: "3db82b9374ca, v6.5",
  about:
    "Before, zap_pmd_range() passed over a huge entry that came after it had taken one apart. Since, no table is found " +
    "there, and it begins again.",
  functions: {
    zap_passes_over_pmd: (_k, pmd) => pmd === null,
  },
});
