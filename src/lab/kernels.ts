// Which real kernels there are, and how one is made ready: found by package name, fetched once into the
// cache, or taken from the user's own build.
import { copyFileSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PagelifeError } from "../base/errors.ts";
import { cacheDirectory, cached } from "./cache.ts";
import {
  type AptSource,
  findKernelPackage,
  hostApt,
  type KernelPackage,
  privateApt,
  unpackKernelPackage,
} from "./debian.ts";
import { collectModules, modulesKey, wantedModules } from "./modules.ts";

/** A kernel that can be booted. */
export interface RealKernel {
  /** As the user named it: `6.12`. */
  readonly name: string;
  /** `uname -r`; for a user's own build the path of the image. */
  readonly release: string;
  readonly image: string;
  /** A directory of unpacked modules and their load `order`. */
  readonly modules: string;
}

/** The kernels that the lab knows by name, and the suites in which each is looked for. */
export const namedKernels = {
  "6.1": { version: "6.1", suites: [] },
  "6.12": { version: "6.12", suites: ["backports", "stable"] },
  "7.x": { version: "7", suites: ["backports", "testing", "unstable"] },
} as const satisfies Record<string, { version: string; suites: readonly Parameters<typeof privateApt>[0][] }>;

export type KernelName = keyof typeof namedKernels;

const isKernelName = (name: string): name is KernelName => name in namedKernels;

interface Manifest {
  readonly release: string;
}

/** Kernels below the cache directory, by name. */
const kernelDirectory = (name: string): string => join(cacheDirectory(), "kernels", name);

function firstMatch(root: string, pattern: RegExp): string | null {
  const found = readdirSync(root, { recursive: true, encoding: "utf8" }).find((entry) => pattern.test(entry));
  return found === undefined ? null : join(root, found);
}

async function locate(name: KernelName, progress: (text: string) => void): Promise<KernelPackage> {
  const { version, suites } = namedKernels[name];
  const asked: string[] = [];
  const ask = async (source: AptSource): Promise<KernelPackage | null> => {
    asked.push(source.label);
    return await findKernelPackage(source, version);
  };
  const here = await ask(hostApt);
  if (here !== null) return here;
  for (const suite of suites) {
    progress(`kernel ${name} is not in the host's apt; asking ${suite}`);
    const found = await ask(await privateApt(suite)).catch((error: unknown) => {
      if (error instanceof PagelifeError && suite !== suites.at(-1)) return null;
      throw error;
    });
    if (found !== null) return found;
  }
  throw new PagelifeError(
    "PL503",
    `no package linux-image-${version}.* for amd64 was found (asked: ${asked.join(", ")}).`,
  );
}

/**
 * Makes a kernel ready by its name. What was fetched before is used without asking anybody.
 *
 * @throws PL502 for an unknown name, PL503 when the package cannot be had.
 */
export async function prepareKernel(name: string, progress: (text: string) => void): Promise<RealKernel> {
  if (!isKernelName(name)) {
    throw new PagelifeError(
      "PL502",
      `the lab knows no kernel "${name}" (known: ${Object.keys(namedKernels).join(", ")}). A kernel of your own is given with --kernel-image and --modules.`,
    );
  }
  const directory = kernelDirectory(`${name}-${modulesKey(wantedModules)}`);
  await cached(directory, async (scratch) => {
    const found = await locate(name, progress);
    progress(`fetching ${found.name} from ${found.source.label}`);
    // The unpacked package is half a gigabyte; only the image and a few modules are kept.
    await cached(`${scratch}.unpack`, (unpack) => unpackKernelPackage(found, unpack));
    const unpacked = `${scratch}.unpack/root`;
    try {
      const image = firstMatch(unpacked, /(?:^|\/)vmlinuz[^/]*$/);
      const tree = firstMatch(unpacked, /(?:^|\/)lib\/modules\/[^/]+$/);
      if (image === null || tree === null) {
        throw new PagelifeError("PL503", `${found.name} holds no kernel image or no modules.`);
      }
      copyFileSync(image, join(scratch, "vmlinuz"));
      await collectModules(tree, wantedModules, join(scratch, "modules"));
      const manifest: Manifest = { release: found.release };
      writeFileSync(join(scratch, "manifest.json"), `${JSON.stringify(manifest)}\n`);
    } finally {
      rmSync(`${scratch}.unpack`, { recursive: true, force: true });
    }
  });
  const { release } = JSON.parse(readFileSync(join(directory, "manifest.json"), "utf8")) as Manifest;
  return { name, release, image: join(directory, "vmlinuz"), modules: join(directory, "modules") };
}

/**
 * A kernel of the user's own: an image, and a directory with its modules (a module tree as
 * `make modules_install` leaves it, or `none` when all that is needed is built in).
 *
 * @throws PL504 when a path does not exist or holds no modules.
 */
export async function ownKernel(image: string, modules: string, scratch: string): Promise<RealKernel> {
  if (!existsSync(image)) throw new PagelifeError("PL504", `there is no kernel image at ${image}.`);
  const directory = join(scratch, "modules");
  if (modules !== "none") {
    if (!existsSync(modules))
      throw new PagelifeError("PL504", `there is no directory of modules at ${modules}.`);
    await collectModules(modules, wantedModules, directory);
  }
  return { name: "own", release: image, image, modules: directory };
}
