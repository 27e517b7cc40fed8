// Where the lab keeps what it downloads and builds: kernels, the guest program, disk images. Everything
// under this directory can be deleted at any time; the next run makes it again.
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** The cache of the lab: `$XDG_CACHE_HOME/pagelife/lab`, by default below `~/.cache`. */
export function cacheDirectory(): string {
  const base = process.env.XDG_CACHE_HOME;
  return join(
    base !== undefined && base !== "" ? resolve(base) : join(homedir(), ".cache"),
    "pagelife",
    "lab",
  );
}

/** The files of the guest, which travel with the package beside `dist/`. */
export const guestDirectory: string = fileURLToPath(new URL("../../lab/guest", import.meta.url));

/**
 * Makes a directory of the cache once: `build` fills a scratch directory, which is then renamed into
 * place, so that an interrupted download never looks like a finished one.
 */
export async function cached(path: string, build: (scratch: string) => Promise<void>): Promise<string> {
  if (existsSync(path)) return path;
  const scratch = `${path}.part-${process.pid}`;
  rmSync(scratch, { recursive: true, force: true });
  mkdirSync(scratch, { recursive: true });
  try {
    await build(scratch);
    mkdirSync(dirname(path), { recursive: true });
    renameSync(scratch, path);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  return path;
}
