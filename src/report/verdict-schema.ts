// The JSON schema of what `check --json` prints, published from here. Apart from `verdict.ts`, so that what
// validates need not be loaded to check a scenario.
import { z } from "zod";
import { findingKinds } from "../explore/outcome.ts";
import { SCHEMA_VERSION } from "./verdict.ts";

const counterexample = z
  .object({
    steps: z.int().describe("atomic operations"),
    switches: z.int().describe("changes of the running thread; the start of the first is none"),
    preemptions: z.int().describe("switches away from a thread that could have gone on"),
    loop: z
      .int()
      .nullable()
      .describe("of a livelock, the operations that come after these again and again; else null"),
    replay: z.string().describe("token for `pagelife show --replay`"),
  })
  .describe("the shortest: fewest preemptions, then switches, then steps");

const verdict = z.object({
  scenario: z.string(),
  kernel: z.string(),
  with: z.array(z.string()).describe("changes on top, in order"),
  tlb: z.enum(["ipi", "rcu-table-free"]),
  memory: z.enum(["sc", "tso"]).describe("memory model"),
  verdict: z.enum(["holds", "violation", "inconclusive", "not-applicable"]),
  kind: z.enum(findingKinds).nullable(),
  property: z.string().nullable().describe("the rule that was broken, or what is waited for"),
  liveness: z
    .array(z.string())
    .describe("names of the promises that a wait or loop without end breaks (docs/invariants.md)"),
  detail: z.string().nullable().describe("one sentence with the numbers in it"),
  also: z
    .array(z.object({ kind: z.enum(findingKinds), property: z.string() }))
    .describe("what else was found, without a counterexample of its own"),
  expected: z.string().nullable().describe("what the catalogue expects; null where it says nothing"),
  expectedRule: z
    .string()
    .nullable()
    .describe("the rule or promise that is expected to be broken; null for whichever"),
  strategy: z.string(),
  livelock: z
    .boolean()
    .describe("livelocks were looked for as well: loops in which every thread that can go on gets its turn"),
  complete: z.boolean().describe("every interleaving was covered"),
  bound: z.string().nullable().describe("which bound cut the search short"),
  bytes: z.number().nullable().describe("memory that the states took; null where none are kept"),
  states: z.int(),
  executions: z.int(),
  steps: z.int(),
  millis: z.number(),
  counterexample: counterexample.nullable(),
});

export const verdictRecord = z.object({
  type: z.literal("verdict"),
  schemaVersion: z.literal(SCHEMA_VERSION),
  data: verdict,
});

export const twinRecord = z
  .object({
    type: z.literal("twin"),
    schemaVersion: z.literal(SCHEMA_VERSION),
    data: z.object({
      change: z.string().describe("the change that breaks something on purpose"),
      expect: z.enum(["survives", ...findingKinds]),
      rule: z
        .string()
        .nullable()
        .describe("the rule or promise that is expected to be broken; null for whichever"),
      because: z.string(),
      asExpected: z.boolean(),
      verdict,
    }),
  })
  .describe("of --twins");

export const summaryRecord = z.object({
  type: z.literal("summary"),
  schemaVersion: z.literal(SCHEMA_VERSION),
  data: z.object({
    cells: z.int(),
    asExpected: z.int(),
    unexpected: z.int(),
    findings: z.int().describe("violations in cells without an expectation"),
    inconclusive: z.int(),
    millis: z.number(),
    status: z.int().describe("exit status of the command"),
  }),
});

export const checkRecord = z.discriminatedUnion("type", [verdictRecord, twinRecord, summaryRecord]);

/** The JSON schema of one line of `check --json`. */
export const checkSchema = (): unknown => z.toJSONSchema(checkRecord, { target: "draft-2020-12" });
