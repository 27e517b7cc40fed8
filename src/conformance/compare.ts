// Lines up what a real kernel did with what the subsystem does, operation by operation and page by
// page, up to the first difference that no known simplification explains.
import { type Backing, describeBacking, type Observation, type PageState } from "./observation.ts";
import { describeOperation, type OperationName, type Program } from "./program.ts";

/** What can differ. */
export type Field =
  /** Ended, or sleeps. */
  | "status"
  | "errno"
  /** Which earlier operations were woken, and what they returned. */
  | "woken"
  /** A page on one side, a hole on the other. */
  | "backing"
  | "refcount"
  | "mapcount"
  | "pincount"
  | "mapping"
  | "flags"
  /** A page that no file has any more is still in use on one side only. */
  | "detached";

export interface Difference {
  readonly op: number;
  readonly field: Field;
  /** `0/3`: page 3 of file 0; empty where the operation itself differs. */
  readonly place: string;
  readonly real: string;
  readonly model: string;
}

/** In what circumstances the two sides differ. */
export interface Circumstances {
  readonly program: Program;
  readonly difference: Difference;
  readonly real: Observation;
  readonly model: Observation;
  /** After the operation before; null for the first. */
  readonly before: { readonly real: Observation; readonly model: Observation } | null;
}

/**
 * A difference that is known and accepted, with the reason. Data: `docs/conformance.md` prints it, and
 * anything that no entry describes is a failure.
 */
export interface Simplification {
  readonly id: string;
  /** Why the subsystem does otherwise, or which property of the real machine it leaves out. */
  readonly reason: string;
  readonly field: Field;
  /** The operations after which it may be seen; any if not given. */
  readonly ops?: readonly OperationName[];
  /** Models of kernels in which it may be seen, `v6.12`; any if not given. */
  readonly kernels?: readonly string[];
  /** What each side must show; anything if not given. */
  readonly real?: string;
  readonly model?: string;
  /** What else must be so, where these do not say enough: an entry must not cover up anything else. */
  readonly when?: (circumstances: Circumstances) => boolean;
  /** `stop`: from here on the two sides are in different states, so the program is not compared further. */
  readonly afterwards: "go-on" | "stop";
}

/** How one operation came out. */
export interface Compared {
  readonly op: number;
  readonly name: OperationName | "start" | "end";
  readonly result: "agrees" | "simplified" | "differs";
  /** Ids of the simplifications that were needed. */
  readonly by: readonly string[];
}

export interface Comparison {
  readonly program: Program;
  readonly compared: readonly Compared[];
  /** The first that is not explained; null when the two agree. */
  readonly difference: Difference | null;
  /** Operations that one side cannot run, so that the program was compared up to there only. */
  readonly unsupported: string | null;
}

const PAGE_FIELDS = ["refcount", "mapcount", "pincount", "mapping", "flags"] as const;

const shown = (s: PageState, field: (typeof PAGE_FIELDS)[number]): string => {
  const value = s[field];
  return Array.isArray(value) ? [...value].sort().join(",") : String(value);
};

function pageDifferences(op: number, place: string, real: Backing, model: Backing): Difference[] {
  if (real === "unknown" || model === "unknown") return [];
  if (typeof real === "string" || typeof model === "string") {
    if (real === model) return [];
    const kind = (b: Backing): string => (typeof b === "string" ? b : "page");
    return [{ op, field: "backing", place, real: kind(real), model: kind(model) }];
  }
  return PAGE_FIELDS.filter((f) => shown(real, f) !== shown(model, f)).map((field) => ({
    op,
    field,
    place,
    real: shown(real, field),
    model: shown(model, field),
  }));
}

/** All differences between two observations of the same operation, the operation's own result first. */
export function differences(real: Observation, model: Observation): Difference[] {
  const { op } = real;
  const found: Difference[] = [];
  if (model.status === "failed") {
    return [{ op, field: "status", place: "", real: real.status, model: `failed (${model.failure ?? ""})` }];
  }
  // The guest kills what goes on without end; what is seen after that is of a process that has gone.
  if (real.status === "spins" && model.status === "spins") return [];
  if (real.status !== model.status) {
    found.push({ op, field: "status", place: "", real: real.status, model: model.status });
  } else if (real.status === "done" && real.errno !== model.errno) {
    found.push({ op, field: "errno", place: "", real: String(real.errno), model: String(model.errno) });
  }
  const woken = (o: Observation): string =>
    [...o.woken]
      .sort((a, b) => a.op - b.op)
      .map((w) => `${w.op}:${w.errno}`)
      .join(" ");
  if (woken(real) !== woken(model)) {
    found.push({ op, field: "woken", place: "", real: woken(real), model: woken(model) });
  }
  real.files.forEach((pages, f) => {
    pages.forEach((state, i) => {
      found.push(...pageDifferences(op, `${f}/${i}`, state, model.files[f]?.[i] ?? "unknown"));
    });
  });
  for (const place of new Set([...Object.keys(real.detached), ...Object.keys(model.detached)])) {
    const [a, b] = [real.detached[place], model.detached[place]];
    if (a !== undefined && b !== undefined) {
      found.push(...pageDifferences(op, place, a, b));
    } else if (!real.unasked.includes(Number(place.split("/")[0]))) {
      found.push({
        op,
        field: "detached",
        place,
        real: a === undefined ? "idle" : describeBacking(a),
        model: b === undefined ? "idle" : describeBacking(b),
      });
    }
  }
  return found;
}

/** The first entry of the table that describes a difference. */
export function explain(
  circumstances: Circumstances,
  operation: OperationName | "start" | "end",
  kernel: string,
  table: readonly Simplification[],
): Simplification | null {
  const { difference } = circumstances;
  return (
    table.find(
      (s) =>
        s.field === difference.field &&
        (s.ops === undefined || s.ops.some((o) => o === operation)) &&
        (s.kernels === undefined || s.kernels.includes(kernel)) &&
        (s.real === undefined || s.real === difference.real) &&
        (s.model === undefined || s.model === difference.model) &&
        (s.when === undefined || s.when(circumstances)),
    ) ?? null
  );
}

/**
 * Compares the two histories of a program.
 *
 * @param kernel The release of the model, `v7.2`: some simplifications hold for some kernels only.
 */
export function compare(
  program: Program,
  real: readonly Observation[],
  model: readonly Observation[],
  kernel: string,
  table: readonly Simplification[],
): Comparison {
  const compared: Compared[] = [];
  for (const [i, observation] of real.entries()) {
    const name = observation.op < 0 ? "start" : (program.ops[observation.op]?.op ?? "end");
    const other = model[i];
    if (other === undefined || other.status === "unsupported") {
      return { program, compared, difference: null, unsupported: name };
    }
    const before = i === 0 ? null : { real: real[i - 1] as Observation, model: model[i - 1] as Observation };
    const by = new Set<string>();
    let stop = false;
    for (const difference of differences(observation, other)) {
      const circumstances = { program, difference, real: observation, model: other, before };
      const known = explain(circumstances, name, kernel, table);
      if (known === null) {
        compared.push({ op: observation.op, name, result: "differs", by: [...by] });
        return { program, compared, difference, unsupported: null };
      }
      by.add(known.id);
      if (known.afterwards === "stop") {
        // What follows in the same observation follows from this.
        stop = true;
        break;
      }
    }
    compared.push({
      op: observation.op,
      name,
      result: by.size === 0 ? "agrees" : "simplified",
      by: [...by],
    });
    if (stop || other.status === "spins") break;
  }
  return { program, compared, difference: null, unsupported: null };
}

/** What happened, one operation a line, with the state of one page after each; `place` may be empty. */
export function historyOf(
  program: Program,
  observations: readonly Observation[],
  place: string,
  until: number,
): string[] {
  const [file = 0, page = 0] = place.split("/").map(Number);
  const lines: string[] = [];
  for (const o of observations) {
    if (o.op > until) break;
    const operation = program.ops[o.op];
    const what =
      operation === undefined ? (o.op < 0 ? "start" : "everything undone") : describeOperation(operation);
    const outcome = o.status === "done" ? (o.errno === 0 ? "" : ` -> errno ${o.errno}`) : ` -> ${o.status}`;
    const woken = o.woken
      .map((w) => `; ${w.op} ends${w.errno === 0 ? "" : ` with errno ${w.errno}`}`)
      .join("");
    const state = place === "" ? "" : `  ${describeBacking(o.detached[place] ?? o.files[file]?.[page])}`;
    lines.push(`  ${String(o.op).padStart(3)} ${what}${outcome}${woken}\n     ${state}`.trimEnd());
  }
  return lines;
}

/** The first difference, with the history of that page on both sides. */
export function describeDifference(
  comparison: Comparison,
  sides: { readonly real: string; readonly model: string },
  real: readonly Observation[],
  model: readonly Observation[],
): string {
  const { program, difference: d } = comparison;
  if (d === null) return `${program.name}: the two agree\n`;
  const where = d.place === "" ? "" : `, page ${d.place.split("/")[1]} of file ${d.place.split("/")[0]}`;
  const operation = program.ops[d.op];
  const what =
    operation === undefined ? "once everything was undone" : `after ${describeOperation(operation)}`;
  return [
    `${program.name} (${program.fs}): ${d.field} differs ${what}${where}`,
    `  ${sides.real}: ${d.real || "none"}`,
    `  ${sides.model}: ${d.model || "none"}`,
    "",
    `${sides.real}:`,
    ...historyOf(program, real, d.place, d.op),
    "",
    `${sides.model}:`,
    ...historyOf(program, model, d.place, d.op),
    "",
  ].join("\n");
}
