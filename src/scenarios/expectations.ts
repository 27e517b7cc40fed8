// What several scenarios expect, for one reason.
import type { Expectation } from "../kernel/scenario.ts";

/** v5.18: mended by fsdax-wakeup/gup-put. */
export const pinDroppedWithoutHook: Expectation = {
  verdict: "missed-wakeup",
  rule: "layout-break-returns",
  because: "gup_put_folio() drops the pin without the hook that sees a one-based page become idle",
};
