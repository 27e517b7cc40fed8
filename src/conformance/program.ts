// A workload as plain data: what both sides of a comparison run. The guest reads it as text, the
// subsystem runs it directly. Processes, files, mappings and pins are named by small numbers; a place
// in a file is a page index, never a byte.
import { z } from "zod";
import { PagelifeError } from "../base/errors.ts";

/** The limits of the guest program (`lab/guest/guest.c`). */
export const limits = { processes: 8, files: 4, maps: 16, pins: 8, operations: 256, pages: 2048 } as const;

const index = (below: number) =>
  z
    .number()
    .int()
    .min(0)
    .max(below - 1);
const proc = index(limits.processes).describe("which process does it");
const file = index(limits.files);
const map = index(limits.maps).describe("a mapping of that process; a fork inherits them all");
const pin = index(limits.pins).describe("a pin held by that process");
const page = index(limits.pages).describe("first page, as an index in the file");
const pages = z.number().int().min(1).max(limits.pages);

const operation = z.discriminatedUnion("op", [
  z.strictObject({
    op: z.literal("mmap"),
    proc,
    map,
    file,
    page,
    pages,
    shared: z.boolean(),
    writable: z.boolean(),
  }),
  z.strictObject({ op: z.literal("munmap"), proc, map, page, pages }),
  z.strictObject({ op: z.literal("touch"), proc, map, page, write: z.boolean() }),
  z.strictObject({ op: z.literal("fork"), proc, child: index(limits.processes) }),
  z.strictObject({ op: z.literal("exit"), proc }),
  z.strictObject({
    op: z.literal("pin"),
    proc,
    pin,
    map,
    page,
    pages,
    how: z.enum(["odirect", "vmsplice", "io_uring"]),
    write: z.boolean().describe("the device writes into the pages (O_DIRECT read)"),
  }),
  z.strictObject({ op: z.literal("unpin"), proc, pin }),
  z.strictObject({ op: z.literal("punch"), proc, file, page, pages }),
  z.strictObject({ op: z.literal("truncate"), proc, file, size: z.number().int().min(0).max(limits.pages) }),
  z.strictObject({ op: z.literal("write"), proc, file, page, pages }),
  z.strictObject({ op: z.literal("reflink"), proc, file, from: file }),
  z.strictObject({ op: z.literal("mlock"), proc, map, page, pages }),
  z.strictObject({ op: z.literal("munlock"), proc, map, page, pages }),
  z.strictObject({ op: z.literal("fsync"), proc, file }),
  z.strictObject({ op: z.literal("dontneed"), proc, map, page, pages }),
  z.strictObject({ op: z.literal("poison"), proc, map, page }),
  z.strictObject({ op: z.literal("umount"), proc }),
  z.strictObject({ op: z.literal("mount"), proc }),
]);

/** One operation of a workload. */
export type Operation = z.infer<typeof operation>;
export type OperationName = Operation["op"];
export type PinHow = Extract<Operation, { op: "pin" }>["how"];

export const programSchema = z.strictObject({
  name: z.string().regex(/^[\w.-]{1,60}$/),
  fs: z.enum(["ext4", "xfs"]),
  files: z
    .array(
      z.strictObject({
        pages: z.number().int().min(1).max(limits.pages).describe("size"),
        allocated: z
          .number()
          .int()
          .min(0)
          .max(limits.pages)
          .describe("pages that have a block from the start"),
        huge: z.boolean().default(false).describe("blocks that one PMD can map"),
        watch: z.number().int().min(0).max(limits.pages).default(0).describe("pages to look at; 0: all"),
      }),
    )
    .min(1)
    .max(limits.files),
  ops: z.array(operation).max(limits.operations),
});

/** A workload: fresh files, and operations that follow each other. */
export type Program = z.infer<typeof programSchema>;

/** @throws PL507 when the text is no workload. */
export function parseProgram(value: unknown, origin: string): Program {
  const parsed = programSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const first = parsed.error.issues[0];
  throw new PagelifeError(
    "PL507",
    `${origin}: ${first?.path.join(".") ?? ""}: ${first?.message ?? "no workload"}`,
  );
}

const pinHow: Record<PinHow, number> = { odirect: 0, vmsplice: 1, io_uring: 2 };

function guestArguments(o: Operation): readonly (number | boolean)[] {
  switch (o.op) {
    case "mmap":
      return [o.map, o.file, o.page, o.pages, o.shared, o.writable];
    case "munmap":
    case "mlock":
    case "munlock":
    case "dontneed":
      return [o.map, o.page, o.pages];
    case "touch":
      return [o.map, o.page, o.write];
    case "fork":
      return [o.child];
    case "pin":
      return [o.pin, o.map, o.page, o.pages, pinHow[o.how], o.write];
    case "unpin":
      return [o.pin];
    case "punch":
    case "write":
      return [o.file, o.page, o.pages];
    case "truncate":
      return [o.file, o.size];
    case "reflink":
      return [o.file, o.from];
    case "fsync":
      return [o.file];
    case "poison":
      return [o.map, o.page];
    case "exit":
    case "umount":
    case "mount":
      return [];
  }
}

/** The program in the form that the guest reads: one line each, numbers in a fixed order. */
export function guestText(program: Program): string {
  const lines = [`program ${program.name} ${program.fs}`];
  program.files.forEach((f, i) => {
    lines.push(`file ${i} ${f.pages} ${f.allocated} ${Number(f.huge)} ${f.watch}`);
  });
  for (const o of program.ops) {
    lines.push(["op", o.op, o.proc, ...guestArguments(o).map(Number)].join(" "));
  }
  return `${lines.join("\n")}\nend\n`;
}

/** One operation in words: `process 0: touch map 0 page 3 (write)`. */
export function describeOperation(o: Operation): string {
  const range = (first: number, n: number): string =>
    n === 1 ? `page ${first}` : `pages ${first}-${first + n - 1}`;
  const who = `process ${o.proc}: `;
  switch (o.op) {
    case "mmap": {
      const bits = `${o.shared ? "shared" : "private"}, ${o.writable ? "writable" : "read-only"}`;
      return `${who}mmap file ${o.file} ${range(o.page, o.pages)} as map ${o.map} (${bits})`;
    }
    case "munmap":
    case "mlock":
    case "munlock":
    case "dontneed":
      return `${who}${o.op} map ${o.map} ${range(o.page, o.pages)}`;
    case "touch":
      return `${who}${o.write ? "write" : "read"} map ${o.map} page ${o.page}`;
    case "fork":
      return `${who}fork process ${o.child}`;
    case "exit":
      return `${who}exit`;
    case "pin":
      return `${who}pin map ${o.map} ${range(o.page, o.pages)} by ${o.how}${o.write ? ", for writing" : ""} as pin ${o.pin}`;
    case "unpin":
      return `${who}unpin pin ${o.pin}`;
    case "punch":
      return `${who}punch file ${o.file} ${range(o.page, o.pages)}`;
    case "truncate":
      return `${who}truncate file ${o.file} to ${o.size} pages`;
    case "write":
      return `${who}write() file ${o.file} ${range(o.page, o.pages)}`;
    case "reflink":
      return `${who}reflink file ${o.from} to file ${o.file}`;
    case "fsync":
      return `${who}fsync file ${o.file}`;
    case "poison":
      return `${who}poison map ${o.map} page ${o.page}`;
    case "umount":
      return "umount";
    case "mount":
      return "mount";
  }
}
