#!/usr/bin/env node
// The command line: one file per command in this folder, put together here. Nothing below `cli`
// prints, reads files, or exits.
import { Command, CommanderError } from "commander";
import { PagelifeError } from "../base/errors.ts";
import { exitCode } from "./exit.ts";
import { version } from "./version.ts";

const program = new Command("pagelife")
  .description("The life of Linux ZONE_DEVICE pages, made runnable.")
  .version(version)
  .showSuggestionAfterError()
  .exitOverride();

/** Loaded when they are named: loading all of them takes longer than most checks do. */
const commands: Readonly<Record<string, () => Promise<(program: Command) => void>>> = {
  check: async () => (await import("./commands/check.ts")).registerCheck,
  show: async () => (await import("./commands/show.ts")).registerShow,
  list: async () => (await import("./commands/list.ts")).registerList,
  trace: async () => (await import("./commands/trace.ts")).registerTrace,
  record: async () => (await import("./commands/record.ts")).registerRecord,
  lab: async () => (await import("./commands/lab.ts")).registerLab,
};
const name = process.argv[2] ?? "";
const named = Object.hasOwn(commands, name) ? commands[name] : undefined;
// Help, and the correction of a name that is not known, need all of them.
for (const load of named === undefined ? Object.values(commands) : [named]) (await load())(program);

process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  // A reader such as `head` has seen enough.
  if (error.code === "EPIPE") process.exit(exitCode.holds);
  throw error;
});

// Errors name lines of the source as written, ours and the user's.
process.setSourceMapsEnabled(true);
// The line of the user's may lie below many of ours.
Error.stackTraceLimit = 50;

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? exitCode.holds : exitCode.usage;
  } else if (error instanceof PagelifeError) {
    process.stderr.write(`pagelife: ${error.message}\n`);
    process.exitCode = exitCode.usage;
  } else {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    process.stderr.write(`pagelife ${version}: this is a bug of pagelife; please report it.\n${text}\n`);
    process.exitCode = exitCode.bug;
  }
}
