// Boots a kernel under QEMU and waits until the guest has powered itself off. Plain emulation on one
// thread: with a thread per CPU, old releases of QEMU run into a race when the guest patches its own
// code (tracing on and off), and /dev/kvm is not there in most continuous integration.
import { spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PagelifeError } from "../base/errors.ts";
import { findTool } from "./command.ts";

export interface Boot {
  readonly image: string;
  readonly initramfs: string;
  /** Where console, disks and log go; exists already. */
  readonly directory: string;
  /** Words for the guest's init, e.g. `lab.record=1`. */
  readonly words: readonly string[];
  /** Wall-clock seconds after which the guest counts as hung. */
  readonly timeoutSeconds: number;
}

export interface BootResult {
  readonly consoleText: string;
  /** The log disk up to where the guest has written. */
  readonly log: string;
  /** A tar of what the guest left in /out, with trailing zeros. */
  readonly outDisk: string;
  readonly wallMillis: number;
  /** Null when the guest finished by itself. */
  readonly failure: string | null;
}

/**
 * Emulated persistent memory: three ranges of RAM, for ext4, XFS and device-dax. No randomisation, so
 * that addresses in recordings mean the same in every run.
 */
export const pmemRanges = { ext4: "256M!1G", xfs: "512M!0x50000000", devdax: "256M!0x70000000" } as const;

const kernelWords = [
  "console=ttyS0",
  "nokaslr",
  "panic=5",
  "mitigations=off",
  "tsc=reliable",
  // On a busy host an emulated timer seems not to tick while the kernel looks, and it gives up.
  "no_timer_check",
  "no5lvl",
  "random.trust_cpu=on",
  "loglevel=5",
  ...Object.values(pmemRanges).map((range) => `memmap=${range}`),
];

export async function boot(options: Boot): Promise<BootResult> {
  const qemu = findTool("qemu-system-x86_64");
  if (qemu === null) {
    throw new PagelifeError("PL501", "qemu-system-x86_64 is not installed (package qemu-system-x86).");
  }
  const consoleFile = join(options.directory, "console-log.txt");
  const outDisk = join(options.directory, "out.img");
  const logDisk = join(options.directory, "log.img");
  for (const disk of [outDisk, logDisk]) {
    writeFileSync(disk, "");
    truncateSync(disk, 1 << 30);
  }
  const started = Date.now();
  const stderr = openSync(join(options.directory, "qemu.log"), "w");
  const child = spawn(
    qemu,
    [
      ...["-M", "pc", "-cpu", "max", "-accel", "tcg,thread=single,tb-size=512", "-smp", "2", "-m", "2560M"],
      ...["-nographic", "-no-reboot", "-monitor", "none", "-serial", `file:${consoleFile}`, "-nic", "none"],
      ...["-kernel", options.image, "-initrd", options.initramfs],
      ...["-append", [...kernelWords, ...options.words].join(" ")],
      ...["-drive", `file=${outDisk},format=raw,if=virtio,cache=unsafe`],
      ...["-drive", `file=${logDisk},format=raw,if=virtio,cache=unsafe`],
    ],
    { stdio: ["ignore", stderr, stderr] },
  );
  let failure: string | null = null;
  const timer = setTimeout(() => {
    failure = `the guest was still running after ${options.timeoutSeconds} s`;
    child.kill("SIGKILL");
  }, options.timeoutSeconds * 1000);
  const stop = (): void => {
    child.kill("SIGKILL");
  };
  process.once("exit", stop);
  await new Promise<void>((done) => {
    child.on("error", (error) => {
      failure = `QEMU did not start: ${error.message}`;
      done();
    });
    child.on("exit", (code) => {
      if (code !== 0 && failure === null) {
        failure = `QEMU ended with ${code}: ${readFileSync(join(options.directory, "qemu.log"), "utf8").trim()}`;
      }
      done();
    });
  });
  process.off("exit", stop);
  clearTimeout(timer);
  closeSync(stderr);
  const consoleText = existsSync(consoleFile) ? readFileSync(consoleFile, "utf8") : "";
  if (failure === null && !/^LAB: done/m.test(consoleText))
    failure = "the guest stopped before its workloads were done";
  const disk = readFileSync(logDisk);
  const end = disk.indexOf(0);
  return {
    consoleText,
    log: disk.toString("latin1", 0, end < 0 ? disk.length : end),
    outDisk,
    wallMillis: Date.now() - started,
    failure,
  };
}
