#!/usr/bin/env node
// The command line: one file per command in this folder, put together here. Nothing below `cli`
// prints, reads files, or exits.
import { Command, CommanderError } from "commander";
import { PagelifeError } from "../base/errors.ts";
import { registerCheck } from "./commands/check.ts";
import { registerLab } from "./commands/lab.ts";
import { registerList } from "./commands/list.ts";
import { registerRecord } from "./commands/record.ts";
import { registerShow } from "./commands/show.ts";
import { registerTrace } from "./commands/trace.ts";
import { exitCode } from "./exit.ts";
import { version } from "./version.ts";

const program = new Command("pagelife")
  .description("The life of Linux ZONE_DEVICE pages, made runnable.")
  .version(version)
  .showSuggestionAfterError()
  .exitOverride();

registerCheck(program);
registerShow(program);
registerList(program);
registerTrace(program);
registerRecord(program);
registerLab(program);

process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  // A reader such as `head` has seen enough.
  if (error.code === "EPIPE") process.exit(exitCode.holds);
  throw error;
});

// Errors name lines of the source as written, ours and the user's.
process.setSourceMapsEnabled(true);

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
