// One boot that runs many programs on one real kernel.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PagelifeError } from "../base/errors.ts";
import { guestText, type Program } from "../conformance/program.ts";
import type { Recorded } from "../conformance/recorded.ts";
import { requireTools, writeInitramfs } from "./guest-image.ts";
import type { RealKernel } from "./kernels.ts";
import { boot } from "./qemu.ts";
import { untar } from "./tar.ts";
import { traceDat } from "./trace-dat.ts";

export interface BatchOptions {
  /** Where console, log and recordings are left. Emptied first. */
  readonly directory: string;
  /** Records events while the programs run; costs time, so only for few programs. */
  readonly record: boolean;
  readonly timeoutSeconds: number;
}

export interface Batch {
  readonly recorded: Recorded;
  /** What the kernel printed, from the guest's dmesg; the console where the guest died. */
  readonly kernelLog: string;
  readonly wallMillis: number;
  /** Files that the guest left, by name: `trace.txt`. */
  readonly files: ReadonlyMap<string, Buffer>;
}

const lastLines = (text: string, n: number): string => text.trimEnd().split("\n").slice(-n).join("\n");

/**
 * Boots a kernel, runs the programs, and hands back what the guest saw.
 *
 * @throws PL501 without QEMU or tools, PL505 when the guest did not get to the end.
 */
export async function runBatch(
  kernel: RealKernel,
  programs: readonly Program[],
  options: BatchOptions,
): Promise<Batch> {
  requireTools();
  const { directory } = options;
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  const initramfs = join(directory, "initramfs.gz");
  await writeInitramfs(initramfs, kernel.modules, { programs: programs.map(guestText).join("") });
  const result = await boot({
    image: kernel.image,
    initramfs,
    directory,
    words: options.record ? ["lab.record=1"] : [],
    timeoutSeconds: options.timeoutSeconds,
  });
  const files = untar(readFileSync(result.outDisk));
  for (const name of [result.outDisk, join(directory, "log.img"), initramfs]) rmSync(name, { force: true });
  const release = /^LAB: userspace at \S+ kernel (\S+)/m.exec(result.consoleText)?.[1];
  writeFileSync(join(directory, "log.txt"), result.log);
  if (result.failure !== null || release === undefined) {
    throw new PagelifeError(
      "PL505",
      `${result.failure ?? "the guest never reached its first process"} (${kernel.name}, ${Math.round(result.wallMillis / 1000)} s). ` +
        `The console log is ${join(directory, "console-log.txt")}; it ends with:\n${lastLines(result.consoleText, 12)}`,
    );
  }
  if (!/^Z \d+$/m.test(result.log)) {
    throw new PagelifeError(
      "PL505",
      `the guest program ended before all workloads were run (${kernel.name}). ` +
        `The console log is ${join(directory, "console-log.txt")}; it ends with:\n${lastLines(result.consoleText, 12)}`,
    );
  }
  const dat = traceDat(files, release);
  if (dat !== null) files.set("trace.dat", dat);
  for (const name of files.keys()) if (name.startsWith("dat.")) files.delete(name);
  for (const [name, content] of files) writeFileSync(join(directory, name), content);
  const recorded: Recorded = { schemaVersion: 1, release, programs: [...programs], log: result.log };
  writeFileSync(join(directory, "run.json"), `${JSON.stringify(recorded)}\n`);
  return {
    recorded,
    kernelLog: files.get("dmesg.txt")?.toString("utf8") ?? result.consoleText,
    wallMillis: result.wallMillis,
    files,
  };
}
