// Waiting on a variable: hashed wait queues by address. Source: kernel/sched/wait_bit.c,
// include/linux/wait_bit.h.
import type { Code, Wait } from "../../../explore/access.ts";
import type { Modelled } from "../../../explore/value.ts";
import type { Kernel } from "../../kernel.ts";
import { finish_wait, prepare_to_wait, wake_up } from "./wait.ts";

declare module "../../kernel.ts" {
  interface KernelFunctions {
    ___wait_var_event: typeof ___wait_var_event;
    wake_up_var: typeof wake_up_var;
  }
}

/**
 * Waits until a condition holds. The condition is looked at after the task has joined the queue, so
 * that a waker who makes it true later will find the task there.
 *
 * Models `include/linux/wait_bit.h:___wait_var_event()` @ v6.12.
 * Left out: signals and timeouts.
 *
 * @param key       The address that wakers name.
 * @param condition Reads shared memory: its accesses are steps.
 * @param cmd       What to do instead of only sleeping: drop a lock, schedule(), take it again.
 * @param wait      The condition in words, and the goal, to explain a sleep without end.
 */
export function* ___wait_var_event(
  k: Kernel,
  key: Modelled,
  condition: () => Code<boolean>,
  cmd: (wait: Wait) => Code,
  wait: Wait,
): Code {
  const table = k.world.bit_wait_table;
  for (;;) {
    yield* prepare_to_wait(k, table, key, false);
    if (yield* condition()) break;
    yield* cmd(wait);
  }
  yield* finish_wait(k, table);
}

/**
 * Wakes everybody who waits on an address. The read of the queue is a step of its own, after the
 * read-modify-write that led here.
 *
 * Models `kernel/sched/wait_bit.c:wake_up_var()` @ v6.12.
 */
export function* wake_up_var(k: Kernel, key: Modelled): Code {
  yield* wake_up(k, k.world.bit_wait_table, key, 1, "<nobody waits>");
}
