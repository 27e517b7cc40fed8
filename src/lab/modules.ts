// Which modules of a kernel the guest needs, in the order in which they load. Packages carry no
// modules.dep (the post-install script would make it), so the closure is taken from the `depends=` that
// each module states about itself.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { decompress } from "fzstd";
import { PagelifeError } from "../base/errors.ts";
import { runForBytes } from "./command.ts";

/**
 * What the guest uses: the virtio disks, persistent memory and its file systems, device-dax, and the
 * device mapper, whose suspended devices hold direct I/O for as long as a program wants a page pinned.
 * A name that the kernel has built in, or does not have at all, is left out of the list.
 */
export const wantedModules: readonly string[] = [
  "virtio_pci",
  "virtio_blk",
  "crc32c_generic",
  "nd_e820",
  "nd_pmem",
  "dax_pmem",
  "device_dax",
  "dm_mod",
  "dm_zero",
  "ext4",
  "xfs",
];

const canonical = (file: string): string =>
  basename(file)
    .replace(/\.ko(?:\.(?:xz|zst|gz))?$/, "")
    .replaceAll("-", "_");

async function readModule(path: string): Promise<Buffer> {
  if (path.endsWith(".ko")) return readFileSync(path);
  if (path.endsWith(".zst")) return Buffer.from(decompress(readFileSync(path)));
  const tool = path.endsWith(".xz") ? "xz" : "gzip";
  const bytes = await runForBytes(tool, ["-dc", path]);
  if (typeof bytes === "string") {
    throw new PagelifeError("PL503", `the module ${path} could not be unpacked with ${tool}: ${bytes}`);
  }
  return bytes;
}

/** The modules that a module says it depends on. */
export function moduleDepends(elf: Buffer): string[] {
  const at = elf.indexOf("\0depends=");
  if (at < 0) return [];
  const end = elf.indexOf(0, at + 1);
  return elf
    .toString("latin1", at + "\0depends=".length, end)
    .split(",")
    .filter((name) => name !== "")
    .map((name) => name.replaceAll("-", "_"));
}

/**
 * Copies the wanted modules and all that they depend on, unpacked, into one flat directory, and writes
 * their load order into the file `order` there.
 *
 * @param tree A directory with `.ko` files anywhere below it.
 */
export async function collectModules(
  tree: string,
  wanted: readonly string[],
  into: string,
): Promise<readonly string[]> {
  const byName = new Map<string, string>();
  for (const entry of readdirSync(tree, { recursive: true, encoding: "utf8" })) {
    if (/\.ko(?:\.(?:xz|zst|gz))?$/.test(entry)) byName.set(canonical(entry), join(tree, entry));
  }
  if (byName.size === 0) throw new PagelifeError("PL504", `${tree} holds no kernel modules (*.ko).`);
  mkdirSync(into, { recursive: true });
  const order: string[] = [];
  const add = async (name: string): Promise<void> => {
    const path = byName.get(name);
    if (path === undefined || order.includes(`${name}.ko`)) return;
    const elf = await readModule(path);
    for (const dependency of moduleDepends(elf)) await add(dependency);
    writeFileSync(join(into, `${name}.ko`), elf);
    order.push(`${name}.ko`);
  };
  for (const name of wanted) await add(name);
  writeFileSync(join(into, "order"), `${order.join("\n")}\n`);
  return order;
}

/** A name for what a set of modules depends on, so that a change of the list makes a new collection. */
export function modulesKey(wanted: readonly string[]): string {
  return createHash("sha256").update(wanted.join(" ")).digest("hex").slice(0, 8);
}

/** The load order of a directory that {@link collectModules} filled. */
export function loadOrder(directory: string): readonly string[] {
  const file = join(directory, "order");
  return existsSync(file)
    ? readFileSync(file, "utf8")
        .split("\n")
        .filter((line) => line !== "")
    : [];
}
