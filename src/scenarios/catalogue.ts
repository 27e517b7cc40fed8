// The scenarios, in the order in which they are printed.
import type { Scenario } from "../kernel/scenario.ts";
import { refaultDuringWait } from "./refault-during-wait.ts";
import { truncateVsGup, truncateVsGupFast } from "./truncate-vs-gup-fast.ts";
import { unpinVsPunchHole } from "./unpin-vs-punch-hole.ts";

export const catalogue: readonly Scenario[] = [
  unpinVsPunchHole,
  truncateVsGupFast,
  truncateVsGup,
  refaultDuringWait,
];
