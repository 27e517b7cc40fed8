// pagelife lab: real kernels under QEMU, held against the subsystem.
import type { Command } from "commander";
import { reproductions } from "../../conformance/reproductions.ts";
import { namedKernels } from "../../lab/kernels.ts";
import { type CompareOptions, labCompare } from "../lab-compare.ts";
import type { KernelOptions } from "../lab-kernels.ts";
import { labRun } from "../lab-run.ts";

const withKernelOptions = (command: Command): Command =>
  command
    .option("--kernel <names>", `real kernels, by name: ${Object.keys(namedKernels).join(", ")}`)
    .option("--kernel-image <bzImage>", "a kernel of your own")
    .option("--modules <dir>", "its modules, as `make modules_install` leaves them; `none` if built in")
    .option("--out <dir>", "keep console, recordings and the log of each run there")
    .option("--timeout <seconds>", "how long a guest may run", "900");

/** Adds `pagelife lab`. */
export function registerLab(program: Command): void {
  const lab = program
    .command("lab")
    .description("boot real kernels under QEMU and hold them against the subsystem");
  withKernelOptions(lab.command("compare"))
    .description("run the same programs on real kernels and on the subsystem, and compare page by page")
    .argument("[programs...]", "workloads (JSON); the fixed set and random ones if none is given")
    .option("--seed <n>", "seed of the random programs; 1 if not given")
    .option("--count <n>", "how many random programs", "50")
    .option("--no-fixed", "only the random programs")
    .option("--with <changes>", "changes on top of the subsystem's kernel")
    .option("--model <release>", "the subsystem's kernel, v7.2; by the real release if not given")
    .option("--recorded <files...>", "compare earlier runs (run.json) instead of booting")
    .option("--document <file>", "write docs/conformance.md there")
    .option("--record", "record events while the programs run")
    .option("--all", "show every program that differs, not only the first")
    .option("--json", "print NDJSON")
    .action(async (files: string[], options: CompareOptions) => {
      process.exitCode = await labCompare(files, options);
    });
  withKernelOptions(lab.command("run"))
    .description("drive real kernels into a scenario, and show what they did beside what the search finds")
    .argument("<scenario>", `one of: ${reproductions.map((r) => r.name).join(", ")}`)
    .action(async (name: string, options: KernelOptions) => {
      process.exitCode = await labRun(name, options);
    });
}
