// Every error that a user can meet, with its code. `docs/errors.md` is generated from this table, so
// the two cannot drift apart. PL1xx: command line and files; PL2xx: scenarios, threads and replay;
// PL3xx: kernels and changes; PL4xx: recordings; PL5xx: the lab.

/** What each code means, and what to do about it. */
export const errorCodes = {
  PL101: {
    meaning: "A name on the command line is not known.",
    remedy: "`pagelife list` prints the scenarios, kernels and changes there are.",
  },
  PL102: {
    meaning: "A file could not be read or written.",
    remedy: "Check the path and its permissions.",
  },
  PL103: {
    meaning: "A scenario or change file could not be loaded.",
    remedy: "The message names the file and line where loading failed; correct it there.",
  },
  PL104: {
    meaning: "A file was loaded but exports no scenario, or no change.",
    remedy: "Export the value of `scenario({...})` or `change({...})`, by default or by name.",
  },
  PL105: {
    meaning: "An option has a value that it cannot have.",
    remedy: "`pagelife help COMMAND` lists the values of each option.",
  },
  PL201: {
    meaning: "A thread yielded something that is not an operation.",
    remedy: "Yield what the primitives of `pagelife/explore` build, and delegate with `yield*`.",
  },
  PL202: {
    meaning: "A schedule does not fit the scenario.",
    remedy:
      "It was recorded with another version of the scenario, the kernel or its changes: run `pagelife check` again.",
  },
  PL203: {
    meaning: "A generator runs that was not instrumented, so its local state cannot be seen.",
    remedy:
      "Keep generators in the scenario or change file itself, or in files that it imports by a relative path.",
  },
  PL204: {
    meaning: "A local holds a value whose state cannot be written down.",
    remedy:
      "Keep numbers, strings, booleans, plain arrays and objects, cells and modelled objects in locals.",
  },
  PL205: {
    meaning: "Code could not be instrumented.",
    remedy: "The message names the line and the rule, and how to write it instead.",
  },
  PL206: {
    meaning: "Two histories of a thread share a state but behave differently.",
    remedy:
      "The thread keeps state outside of cells and locals: a module variable, a clock, a random number.",
  },
  PL207: {
    meaning: "Code of a scenario threw an error.",
    remedy: "The message names the file and line; the error is in the scenario or change, not a finding.",
  },
  PL208: {
    meaning: "A scenario or change is not well formed.",
    remedy: "The message says which part is missing or wrong.",
  },
  PL209: {
    meaning: "A generator function was called and what it returned never ran.",
    remedy: "Write `yield*` before the call: without it, what the function does does not happen.",
  },
  PL210: {
    meaning: "Code of a scenario does with the kernel what cannot be done.",
    remedy: "The message says what was asked for, by which line, and what there is.",
  },
  PL301: {
    meaning: "A change replaces a function that the kernel below it does not have.",
    remedy: "Apply it to a kernel that has the function; `pagelife list functions` shows them.",
  },
  PL302: {
    meaning: "Two changes replace one function, and their order is not stated.",
    remedy: "State in one of them that it goes `after` the other.",
  },
  PL303: {
    meaning: "A change does not go onto this kernel.",
    remedy: "`pagelife list changes` says which kernels each change goes onto.",
  },
  PL304: {
    meaning: "The scenario does what this kernel does not have.",
    remedy: "Choose a later kernel: `pagelife check` prints `-` for this one, and why.",
  },
  PL401: {
    meaning: "A file is not a recording that pagelife can read.",
    remedy: "The message says what the file looks like, and which command converts it.",
  },
  PL402: {
    meaning: "A trace.dat is too damaged, or of a version that is not known.",
    remedy:
      "Try `trace-cmd report FILE > FILE.txt` and read that text; the message says what is wrong where.",
  },
  PL403: {
    meaning: "A file of probe names is not as it should be.",
    remedy: "docs/trace.md shows one; the message names the place at fault.",
  },
  PL404: {
    meaning: "DuckDB is needed and not installed.",
    remedy: "npm install @duckdb/node-api@1.5.6-r.1",
  },
  PL405: {
    meaning: "Recording is not possible here.",
    remedy: "The message says what is missing: root, tracefs, a tool, or support in the kernel.",
  },
  PL501: {
    meaning: "The lab needs a program that is not installed.",
    remedy: "Install the package that the message names; the rest of pagelife does not need it.",
  },
  PL502: {
    meaning: "The lab does not know this kernel, scenario or file system.",
    remedy: "The message lists the names there are.",
  },
  PL503: {
    meaning: "A kernel package could not be found or fetched.",
    remedy: "Check the network and the host's apt, or give a kernel with --kernel-image and --modules.",
  },
  PL504: {
    meaning: "The kernel image or modules that were given cannot be used.",
    remedy: "--kernel-image takes a bzImage, --modules the directory that holds its *.ko files.",
  },
  PL505: {
    meaning: "The guest did not finish.",
    remedy: "The message names the console log; its last lines say how far the guest came.",
  },
  PL506: {
    meaning: "What the guest wrote cannot be understood.",
    remedy: "The guest program and pagelife must be of one version; delete the cache of the lab.",
  },
  PL507: {
    meaning: "A workload is not well formed.",
    remedy: "The message names the operation and what it lacks; docs/lab.md describes the form.",
  },
} as const satisfies Record<string, { meaning: string; remedy: string }>;

export type ErrorCode = keyof typeof errorCodes;

/**
 * States what code of a scenario must see to, where the kernel that it runs on could only crash.
 *
 * @throws {@link PagelifeError} PL210; who runs the code adds which line it is.
 */
export function requireUse(condition: unknown, detail: string): asserts condition {
  if (!condition) throw new PagelifeError("PL210", detail);
}

/**
 * An error of use that a person can mend: what was wrong, where, and what to do.
 * Findings are never errors; they are values.
 */
export class PagelifeError extends Error {
  readonly code: ErrorCode;
  /** The message without the code. */
  readonly detail: string;

  /** @param detail The value at fault, where it stands and what was expected, in one or two sentences. */
  constructor(code: ErrorCode, detail: string, options?: ErrorOptions) {
    super(`${code}: ${detail}`, options);
    this.name = "PagelifeError";
    this.code = code;
    this.detail = detail;
  }
}
