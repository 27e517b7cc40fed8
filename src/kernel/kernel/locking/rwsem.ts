// rw_semaphore: any number of readers, or one writer. Source: kernel/locking/rwsem.c.
// Left out: the queue of waiters and its fairness; a reader may overtake a waiting writer.

import { requireUse } from "../../../base/errors.ts";
import { acquire, type Cell, type Code, cell, modelled, rmw } from "../../../explore/access.ts";
import type { Modelled } from "../../../explore/value.ts";
import type { Kernel } from "../../kernel.ts";

/** The names of the readers, and of the writer. */
export interface Holders {
  readonly readers: readonly string[];
  readonly writer: string | null;
  readonly [field: string]: readonly string[] | string | null;
}

export interface Rwsem extends Modelled {
  readonly holders: Cell<Holders>;
}

const NOBODY: Holders = { readers: [], writer: null };

export const newRwsem = (name: string): Rwsem => modelled("rwsem", { holders: cell<Holders>(name, NOBODY) });

/** Models `kernel/locking/rwsem.c:down_read()` @ v6.12. */
export function* down_read(k: Kernel, sem: Rwsem): Code {
  const { name } = k.current;
  yield* acquire([sem.holders], ({ readers, writer }: Holders) =>
    writer === null ? { next: [{ readers: [...readers, name].sort(), writer }], result: null } : null,
  );
}

/** Models `kernel/locking/rwsem.c:up_read()` @ v6.12. */
export function* up_read(k: Kernel, sem: Rwsem): Code {
  const { name } = k.current;
  const held = yield* rmw(
    [sem.holders],
    ({ readers, writer }: Holders) => ({
      next: [{ readers: readers.filter((r) => r !== name), writer }],
      result: readers.includes(name),
    }),
    { order: "release", note: { quiet: true } },
  );
  requireUse(held, `up_read() of ${sem.holders.name}, which ${name} does not hold`);
}

/** Models `kernel/locking/rwsem.c:down_write()` @ v6.12. */
export function* down_write(k: Kernel, sem: Rwsem): Code {
  const { name } = k.current;
  yield* acquire([sem.holders], ({ readers, writer }: Holders) =>
    writer === null && readers.length === 0 ? { next: [{ readers, writer: name }], result: null } : null,
  );
}

/** Models `kernel/locking/rwsem.c:downgrade_write()` @ v6.12: the writer goes on as a reader. */
export function* downgrade_write(k: Kernel, sem: Rwsem): Code {
  const { name } = k.current;
  yield* rmw([sem.holders], () => ({ next: [{ readers: [name], writer: null }], result: null }), {
    order: "release",
    note: { quiet: true },
  });
}

/** Models `kernel/locking/rwsem.c:up_write()` @ v6.12. */
export function* up_write(sem: Rwsem): Code {
  const held = yield* rmw(
    [sem.holders],
    ({ writer }: Holders) => ({ next: [NOBODY], result: writer !== null }),
    { order: "release", note: { quiet: true } },
  );
  requireUse(held, `up_write() of ${sem.holders.name}, which nobody holds for writing`);
}
