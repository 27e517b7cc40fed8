// A person's own probes: a small JSON file that says which event of the vocabulary each of them is,
// and under which names it prints its fields.
//
//     { "probes": { "my_pin": { "means": "try_grab_folio_fast", "fields": { "page": "folio", "n": "refs" } } } }
import { z } from "zod";
import { PagelifeError } from "../base/errors.ts";
import { type EventSpec, type FieldName, specByName } from "../events/vocabulary.ts";

const FIELD_NAMES = [
  "pfn",
  "page",
  "count",
  "mapcount",
  "val",
  "ret",
  "n",
  "gup",
  "flags",
  "mapping",
  "index",
  "pgmap",
  "inode",
  "start",
  "end",
  "pid",
  "vma",
] as const satisfies readonly FieldName[];

export const probesFile = z.strictObject({
  probes: z.record(
    z.string().min(1).max(128),
    z.strictObject({
      means: z
        .string()
        .describe("an event of the vocabulary that tells the same, such as try_grab_folio_fast"),
      fields: z
        .partialRecord(z.enum(FIELD_NAMES), z.string().min(1).max(64))
        .optional()
        .describe("field of the vocabulary → the name that your probe prints it under"),
    }),
  ),
});

/** @throws PagelifeError (PL403) with the place at fault, if the text is not such a file. */
export function parseProbes(name: string, text: string): Map<string, EventSpec> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new PagelifeError(
      "PL403",
      `${name} is not JSON: ${error instanceof Error ? error.message : String(error)}.`,
    );
  }
  const parsed = probesFile.safeParse(json);
  if (!parsed.success) throw new PagelifeError("PL403", `${name}:\n${z.prettifyError(parsed.error)}`);
  const specs = new Map<string, EventSpec>();
  for (const [probe, { means, fields }] of Object.entries(parsed.data.probes)) {
    const spec = specByName.get(means);
    if (spec === undefined) {
      throw new PagelifeError(
        "PL403",
        `${name}: probe ${JSON.stringify(probe)} means ${JSON.stringify(means)}, which is no event of the vocabulary; \`pagelife trace --vocabulary\` lists them.`,
      );
    }
    // A field that the person names replaces ours, and no name is two fields; page and pfn are two ways
    // to say the same.
    const own = Object.fromEntries(
      Object.entries(fields ?? {}).filter(([, v]) => v !== undefined),
    ) as Partial<Record<FieldName, string>>;
    const taken = new Set(Object.values(own));
    const base = Object.fromEntries(
      Object.entries(spec.fields).filter(([, name]) => !taken.has(name)),
    ) as Partial<Record<FieldName, string>>;
    if (own.pfn !== undefined) delete base.page;
    if (own.page !== undefined) delete base.pfn;
    specs.set(probe, { ...spec, fields: { ...base, ...own } });
  }
  return specs;
}
