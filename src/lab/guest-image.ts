// Builds what the guest boots into: its small static program, busybox, the tools that make file systems,
// and the modules of the kernel, as one initramfs. The workloads are a second archive behind the first,
// so that the large part is built once per kernel.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { PagelifeError } from "../base/errors.ts";
import { cacheDirectory, guestDirectory } from "./cache.ts";
import { findTool, run } from "./command.ts";
import { type CpioEntry, cpio } from "./cpio.ts";

/** A tool that the lab needs, and the Debian package that has it. */
const needed = {
  "qemu-system-x86_64": "qemu-system-x86",
  gcc: "gcc and libc6-dev",
  busybox: "busybox-static",
  "mkfs.ext4": "e2fsprogs",
  "mkfs.xfs": "xfsprogs",
  "dpkg-deb": "dpkg",
  ldd: "libc-bin",
} as const;

export type NeededTool = keyof typeof needed;

/** Which of the tools are missing here, as the packages to install. */
export function missingPackages(): readonly string[] {
  return Object.entries(needed)
    .filter(([tool]) => findTool(tool) === null)
    .map(([, name]) => name);
}

/** @throws PL501 naming every missing package at once. */
export function requireTools(): void {
  const missing = missingPackages();
  if (missing.length === 0) return;
  throw new PagelifeError(
    "PL501",
    `the lab boots real kernels under QEMU, and this machine lacks ${missing.join(", ")}. On Debian: apt-get install --no-install-recommends ${missing.join(" ").replaceAll(" and ", " ")}`,
  );
}

function toolPath(name: NeededTool): string {
  const path = findTool(name);
  if (path === null) throw new PagelifeError("PL501", `${name} is not installed (package ${needed[name]}).`);
  return path;
}

/** Compiles the guest program once for each state of its source. */
async function guestProgram(): Promise<string> {
  const source = join(guestDirectory, "guest.c");
  const key = createHash("sha256").update(readFileSync(source)).digest("hex").slice(0, 16);
  const out = join(cacheDirectory(), "guest", key);
  if (existsSync(out)) return out;
  mkdirSync(join(cacheDirectory(), "guest"), { recursive: true });
  const scratch = `${out}.part-${process.pid}`;
  const compiled = await run(toolPath("gcc"), ["-O2", "-Wall", "-static", "-o", scratch, source]);
  if (!compiled.ok) {
    throw new PagelifeError("PL501", `the guest program could not be compiled:\n${compiled.stderr.trim()}`);
  }
  renameSync(scratch, out);
  return out;
}

/** A program of the host with the shared libraries that it needs. */
async function withLibraries(path: string, as: string): Promise<CpioEntry[]> {
  const entries: CpioEntry[] = [{ path: as, content: readFileSync(path), executable: true }];
  const { stdout } = await run(toolPath("ldd"), [path]);
  for (const [library = ""] of stdout.matchAll(/\/\S+/g)) {
    if (!existsSync(library)) continue;
    entries.push({ path: library.slice(1), content: readFileSync(library), executable: true });
  }
  return entries;
}

/** The part of the initramfs that depends on the kernel and on pagelife's version only. */
export async function baseImage(modules: string): Promise<Buffer> {
  const entries: CpioEntry[] = ["proc", "sys", "dev", "tmp", "mnt", "out", "var/run"].map((path) => ({
    path,
    content: null,
  }));
  const busybox = readFileSync(toolPath("busybox"));
  entries.push({ path: "bin/busybox", content: busybox, executable: true });
  entries.push({ path: "etc/mtab", content: "/proc/mounts" });
  entries.push({ path: "guest", content: readFileSync(await guestProgram()), executable: true });
  for (const script of ["init", "record"]) {
    const file = join(guestDirectory, script);
    if (existsSync(file)) entries.push({ path: script, content: readFileSync(file), executable: true });
  }
  entries.push(...(await withLibraries(toolPath("mkfs.ext4"), "sbin/mkfs.ext4")));
  entries.push(...(await withLibraries(toolPath("mkfs.xfs"), "sbin/mkfs.xfs")));
  for (const file of existsSync(modules) ? readdirSync(modules) : []) {
    entries.push({ path: `modules/${file}`, content: readFileSync(join(modules, file)) });
  }
  if (!existsSync(join(modules, "order"))) entries.push({ path: "modules/order", content: new Uint8Array() });
  return gzipSync(cpio(entries), { level: 1 });
}

/** The workloads, as the archive that goes behind {@link baseImage}. */
export function workloadImage(files: Readonly<Record<string, string>>): Buffer {
  return gzipSync(cpio(Object.entries(files).map(([path, text]) => ({ path, content: Buffer.from(text) }))), {
    level: 1,
  });
}

/** Writes an initramfs of both parts. */
export async function writeInitramfs(
  path: string,
  modules: string,
  files: Readonly<Record<string, string>>,
): Promise<void> {
  writeFileSync(path, Buffer.concat([await baseImage(modules), workloadImage(files)]));
}
