// The records of `pagelife trace --json`, as a schema: docs/trace-schema.json is made from it. 64-bit
// values are strings, since a JSON number holds 53 bits; `null` means "not known".
import { z } from "zod";
import { TRACE_SCHEMA_VERSION } from "./trace-json.ts";

const hex = z
  .string()
  .regex(/^0x[0-9a-f]+$/)
  .describe("hexadecimal");
const nanoseconds = z
  .string()
  .regex(/^-?\d+$/)
  .describe("nanoseconds of the trace clock, decimal");
const task = z.object({ comm: z.string(), tid: z.int() });
const maybeTask = task.nullable().describe("null: not recorded");
const maybeNumber = z.number().nullable().describe("null: not known");
const page = hex.describe("page frame number; of a page whose memory map is not known, its address");
const place = z.object({
  timeNs: nanoseconds,
  where: z.int().describe("1-based line or event; 0: none"),
  cpu: z.int().describe("-1: none"),
  task: maybeTask,
});
const certainty = z
  .enum(["after", "sampled", "inferred", "unknown"])
  .describe("after: printed after the change; sampled: read before it; inferred: follows from a sample");
const range = z.tuple([page, page]).describe("first and last page");

const records = {
  change: place
    .extend({
      page,
      event: z.string(),
      before: maybeNumber,
      count: maybeNumber,
      certainty,
      mappings: maybeNumber,
    })
    .describe("a change, or an observation, of one page; in the order of the recording"),
  changeStack: z
    .object({ page, where: z.int(), stack: z.string() })
    .describe("the call stack of a change, by its id"),
  stack: z.object({ id: z.string(), frames: z.array(z.string()).describe("innermost first") }),
  recording: z.object({
    name: z.string(),
    format: z.enum(["ftrace text", "trace-cmd report", "perf script", "trace.dat"]),
    startNs: nanoseconds,
    endNs: nanoseconds,
    events: z.int(),
    cpus: z.int(),
    tasks: z.int(),
    kernel: z.object({
      text: z.string().describe("what the recording says of its kernel"),
      model: z.enum(["one-based", "zero-based"]).nullable(),
      versions: z.string(),
      because: z.string(),
      contradiction: z.string(),
    }),
    coverage: z.object({
      counts: z.enum(["tracepoints", "probes", "both", "none"]),
      stacks: z.boolean(),
      waits: z.boolean(),
      wakes: z.boolean(),
      putsOfPins: z.boolean(),
      putsOfGets: z.boolean(),
      mappings: z.boolean(),
      removals: z.boolean(),
      missing: z.array(z.string()),
    }),
  }),
  finding: z.object({
    kind: z.string(),
    severity: z.enum(["error", "warning", "note", "unknown"]),
    sentence: z.string(),
    evidence: z.array(place.extend({ text: z.string() })),
    pages: z.array(range),
    tasks: z.array(task),
    stacks: z.array(z.string()),
    caveats: z.array(z.string()),
    durationNs: nanoseconds.nullable(),
  }),
  wait: z.object({
    task,
    via: z.array(z.string()),
    caller: z.string(),
    enteredNs: nanoseconds,
    endedNs: nanoseconds.nullable().describe("null: still waiting at the end"),
    result: maybeNumber,
    sleeps: z.array(
      z.object({
        page,
        sinceNs: nanoseconds,
        untilNs: nanoseconds.nullable(),
        count: maybeNumber,
        mappings: maybeNumber,
        holders: z.array(
          z.object({
            task: maybeTask,
            kind: z.string(),
            event: z.string(),
            sinceNs: nanoseconds,
            pages: z.array(range),
            stack: z.string().nullable(),
          }),
        ),
        lastReferenceGone: place.extend({ event: z.string(), count: maybeNumber }).nullable(),
        woken: place.nullable(),
        mappedAgain: z.array(place),
      }),
    ),
  }),
  holder: z
    .object({
      id: z.string().describe("stable id of the call path"),
      kind: z.enum(["pin", "get", "fault", "mixed"]),
      task: maybeTask,
      tasks: z.int(),
      event: z.string(),
      stack: z.string().nullable(),
      references: z.int(),
      pages: z.array(range),
      sinceNs: nanoseconds,
      seen: z.enum(["recorded", "before", "unrecorded"]),
      unknown: z.boolean().describe("events were lost since: it may be gone"),
      stacks: z.int().describe("different call paths that were put together"),
    })
    .describe("references still held at the end"),
  page: z.object({
    page,
    type: z.enum(["unknown", "fs-dax", "device-dax", "private"]),
    count: maybeNumber,
    certainty,
    expected: maybeNumber,
    temporary: maybeNumber,
    spurious: maybeNumber,
    mappings: maybeNumber,
    mapping: z.string(),
    index: hex.nullable(),
    firstNs: nanoseconds,
    lastNs: nanoseconds,
    changes: z.int(),
    pins: z.int(),
    gets: z.int(),
    puts: z.int(),
    maxCount: z.number(),
  }),
  longestHold: z.object({
    page,
    kind: z.string(),
    task: maybeTask,
    event: z.string(),
    sinceNs: nanoseconds,
    durationNs: nanoseconds,
  }),
  holdLength: z.object({
    fromNs: nanoseconds,
    belowNs: nanoseconds.nullable().describe("null: however long"),
    holds: z.int().describe("holds of one page each that ended, of this length"),
  }),
  heldOverTime: z.object({ sliceNs: nanoseconds, most: z.array(z.int()) }),
  event: z.object({ name: z.string(), count: z.int(), analysed: z.boolean() }),
  loss: z.object({
    note: z.string(),
    severity: z.string(),
    times: z.int(),
    text: z.string(),
    first: z.array(z.number()),
  }),
  summary: z.object({
    outcome: z.enum(["clean", "finding", "inconclusive"]),
    errors: z.int(),
    warnings: z.int(),
    unknown: z.int(),
    lostEvents: z.int().nullable().describe("null: events were lost, how many is not known"),
    pages: z.int(),
    ordinaryPages: z.int(),
    exitCode: z.int(),
  }),
} as const;

export type RecordType = keyof typeof records;
export type RecordData<T extends RecordType> = z.infer<(typeof records)[T]>;

/** One line of the output. */
export const traceRecord = z.discriminatedUnion(
  "type",
  Object.entries(records).map(([type, data]) =>
    z.object({ type: z.literal(type), schemaVersion: z.literal(TRACE_SCHEMA_VERSION), data }),
  ) as unknown as [
    z.ZodObject<{ type: z.ZodLiteral<string>; schemaVersion: z.ZodLiteral<1>; data: z.ZodType }>,
  ],
);

/** The schema as JSON Schema, for docs/trace-schema.json. */
export const traceJsonSchema = (): unknown => z.toJSONSchema(traceRecord);
