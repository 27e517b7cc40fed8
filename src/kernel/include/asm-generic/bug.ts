// Warnings of the kernel. One does not stop it; so it is noted as ghost state, and an invariant says
// that there is none. Source: include/asm-generic/bug.h.
import { type Code, rmw } from "../../../explore/access.ts";
import type { Kernel } from "../../kernel.ts";

/**
 * Notes a warning; the first one stays.
 *
 * Models `include/asm-generic/bug.h:WARN_ON_ONCE()` @ v6.12, where its condition is true.
 *
 * @param rule   What should have been, in kebab-case.
 * @param detail One sentence with the numbers in it.
 */
export function* WARN(k: Kernel, rule: string, detail: string): Code {
  yield* rmw(
    [k.world.warning],
    (earlier: string | null) => ({ next: [earlier ?? `${rule}: ${detail}`], result: null }),
    { note: { text: () => `<WARN: ${rule}>` } },
  );
}
