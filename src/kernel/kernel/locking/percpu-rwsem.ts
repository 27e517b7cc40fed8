// percpu_rw_semaphore: as an rw_semaphore, but a writer that waits keeps new readers out. Source:
// kernel/locking/percpu-rwsem.c. Left out: the counts of each CPU and the grace period of RCU.
import { acquire, type Code, rmw, type See, type Wait } from "../../../explore/access.ts";
import type { Kernel } from "../../kernel.ts";
import type { Holders, Rwsem } from "./rwsem.ts";

const writerOf = (see: See, sem: Rwsem): string | null => see(sem.holders).writer;

/** What readers wait for: that no writer has the semaphore or waits for it. */
const untilNoWriter = (sem: Rwsem): Wait => ({
  text: sem.holders.name,
  condition: (see) => writerOf(see, sem) === null,
  obstacle: (see) => {
    const { readers, writer } = see(sem.holders);
    return writer === null || readers.length === 0
      ? writer
      : `${writer}, who waits for ${readers.join(", ")}`;
  },
});

/** What a writer waits for when no reader can come any more. */
const untilNoReader = (sem: Rwsem): Wait => ({
  text: `${sem.holders.name}, which others read`,
  condition: (see) => see(sem.holders).readers.length === 0,
  obstacle: (see) => see(sem.holders).readers.join(", ") || null,
});

/** Models `include/linux/percpu-rwsem.h:percpu_down_read()` @ v6.12. */
export function* percpu_down_read(k: Kernel, sem: Rwsem): Code {
  const { name } = k.current;
  yield* acquire(
    [sem.holders],
    ({ readers, writer }: Holders) =>
      writer === null ? { next: [{ readers: [...readers, name].sort(), writer }], result: null } : null,
    { wait: untilNoWriter(sem) },
  );
}

/** Models `include/linux/percpu-rwsem.h:percpu_up_read()` @ v6.12. */
export function* percpu_up_read(k: Kernel, sem: Rwsem): Code {
  const { name } = k.current;
  yield* rmw(
    [sem.holders],
    ({ readers, writer }: Holders) => ({
      next: [{ readers: readers.filter((r) => r !== name), writer }],
      result: null,
    }),
    { order: "release", note: { quiet: true } },
  );
}

/**
 * Keeps new readers out, and then waits until those who are there have left.
 *
 * Models `kernel/locking/percpu-rwsem.c:percpu_down_write()` @ v6.12.
 */
export function* percpu_down_write(k: Kernel, sem: Rwsem): Code {
  const { name } = k.current;
  yield* acquire(
    [sem.holders],
    ({ readers, writer }: Holders) =>
      writer === null ? { next: [{ readers, writer: name }], result: null } : null,
    { wait: untilNoWriter(sem) },
  );
  yield* acquire(
    [sem.holders],
    (holders: Holders) => (holders.readers.length === 0 ? { next: [holders], result: null } : null),
    { wait: untilNoReader(sem) },
  );
}

/** Models `kernel/locking/percpu-rwsem.c:percpu_up_write()` @ v6.12. */
export function* percpu_up_write(sem: Rwsem): Code {
  yield* rmw([sem.holders], ({ readers }: Holders) => ({ next: [{ readers, writer: null }], result: null }), {
    order: "release",
    note: { quiet: true },
  });
}
