// The memory of x86 (Owens, Sarkar, Sewell, "x86-TSO", 2009): each thread has a buffer of stores, first
// in, first out, which it sees itself and others do not; the machine commits the oldest store of a buffer
// whenever it likes. A program is turned into another one, with a cell for each buffer and a hidden thread
// that commits, so every strategy, the shortest counterexample and replay work on it as they are.
//
// A read-modify-write, a full fence, a lock and a sleep can be made only when the thread's buffer is empty;
// weaker fences are nothing on this machine. Releasing a lock is a plain store. The ghost state of a store
// changes when the store commits, since only then has it happened for the others; that of a read at once.
import type { Applied, Cell, Code, GhostUpdate, Operation } from "./access.ts";
import { mainCells } from "./operation.ts";
import type { Prepared, PreparedThread } from "./program.ts";
import { identity, type Value } from "./value.ts";

/** A store that has not happened yet for the other threads. */
interface Store {
  readonly cell: Cell;
  readonly value: Value;
  readonly ghosts: readonly GhostUpdate[];
}

type Buffer = readonly Store[];

/** The same program on a machine with store buffers. */
export function underTso(prepared: Prepared): Prepared {
  const first = prepared.cells.length;
  const buffers = prepared.threads.map((thread, t): Cell => {
    const name = `store buffer of ${thread.name}`;
    return { [identity]: `@${first + t}`, id: first + t, name, initial: [], ghost: false };
  });
  const threads = prepared.threads.map((thread, t): PreparedThread => {
    const buffer = buffers[t] as Cell;
    return { ...thread, translate: (op) => translate(thread.translate?.(op) ?? op, buffer) };
  });
  const machine = prepared.threads.map(
    (thread, t): PreparedThread => ({
      name: `commit-${thread.name}`,
      title: `stores of ${thread.title}`,
      start: () => commitStores(buffers[t] as Cell),
      hidden: true,
    }),
  );
  return {
    ...prepared,
    cells: [...prepared.cells, ...buffers],
    memory: [...prepared.memory, ...buffers.map(() => [])],
    threads: [...threads, ...machine],
  };
}

function* commitStores(buffer: Cell): Code {
  for (;;) {
    yield {
      op: "acquire",
      cells: [buffer],
      more: cellsOfOldest,
      apply: commitOldest,
      blocks: "event",
      order: "relaxed",
    };
  }
}

const cellsOfOldest = ([oldest]: Buffer): readonly Cell[] =>
  oldest === undefined ? [] : [...new Set([oldest.cell, ...oldest.ghosts.map((g) => g.cell)])];

function commitOldest(buffer: Buffer, ...old: Value[]): Applied | null {
  const [oldest, ...rest] = buffer;
  if (oldest === undefined) return null;
  const cells = cellsOfOldest(buffer);
  const next = [...old];
  next[0] = oldest.value;
  for (const { cell, update } of oldest.ghosts) {
    const i = cells.indexOf(cell);
    next[i] = update(next[i], undefined);
  }
  return { next: [rest as unknown as Value, ...next], result: undefined };
}

function translate(asked: Operation, buffer: Cell): Operation {
  const { order, note, ghosts, progress } = asked;
  switch (asked.op) {
    case "read": {
      const { cell } = asked;
      const apply = (stores: Buffer, value: Value): Applied => {
        const own = stores.findLast((s) => s.cell === cell);
        return { next: [stores as unknown as Value, value], result: own === undefined ? value : own.value };
      };
      return { op: "rmw", cells: [buffer, cell], apply, order, note, ghosts, progress, asked };
    }
    case "write": {
      if (order === "full")
        return whenEmpty(asked, [asked.cell], () => ({ next: [asked.value], result: undefined }), buffer);
      const store: Store = { cell: asked.cell, value: asked.value, ghosts: ghosts ?? [] };
      const apply = (stores: Buffer): Applied => ({
        next: [[...stores, store] as unknown as Value],
        result: undefined,
      });
      return { op: "rmw", cells: [buffer], apply, order, note, progress, asked };
    }
    case "fence":
      if (order !== "full") return asked;
      return whenEmpty(asked, [], () => ({ next: [], result: undefined }), buffer);
    case "rmw":
    case "acquire":
      return whenEmpty(asked, mainCells(asked), asked.apply, buffer);
  }
}

/** A step that the thread can make only when all its stores have happened for the others. */
function whenEmpty(
  asked: Operation,
  cells: readonly Cell[],
  apply: (...values: never[]) => Applied | null,
  buffer: Cell,
): Operation {
  return {
    op: "acquire",
    cells: [buffer, ...cells],
    apply: (stores: Buffer, ...values: Value[]) => {
      const done = stores.length === 0 ? apply(...(values as never[])) : null;
      return done === null ? null : { next: [[], ...done.next], result: done.result };
    },
    blocks: asked.op === "acquire" ? asked.blocks : "event",
    wait: asked.op === "acquire" ? asked.wait : undefined,
    order: asked.order,
    note: asked.note,
    ghosts: asked.ghosts,
    progress: asked.progress,
    asked,
  };
}
