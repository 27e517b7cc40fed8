// Kernels of Debian by package name. What the host's own apt knows is asked first; for other suites
// (backports, testing, unstable) a private apt configuration is made in the cache, with the host's
// mirror and keyring but with lists, cache and sources of its own: the host's apt is never changed.
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PagelifeError } from "../base/errors.ts";
import { cacheDirectory } from "./cache.ts";
import { type CommandResult, run } from "./command.ts";

/** Where packages come from: the host's apt, or the private one. */
export interface AptSource {
  readonly label: string;
  run(tool: string, args: readonly string[], cwd?: string): Promise<CommandResult>;
}

export interface KernelPackage {
  /** `linux-image-6.12.117+deb12-amd64`. */
  readonly name: string;
  /** `6.12.117+deb12-amd64`, what `uname -r` prints there. */
  readonly release: string;
  readonly source: AptSource;
}

export const hostApt: AptSource = {
  label: "the host's apt",
  run: (tool, args, cwd) => run(tool, args, cwd === undefined ? {} : { cwd }),
};

interface Mirror {
  readonly uri: string;
  readonly codename: string;
  readonly signedBy: string;
}

/**
 * The mirror that the host takes its `main` from. The security archive has the same component but no
 * other suites, so a target whose codename has a suffix is not the one.
 */
async function hostMirror(): Promise<Mirror | null> {
  const format = "$(REPO_URI)|$(CODENAME)|$(COMPONENT)|$(SIGNED_BY)|$(LABEL)|$(ORIGIN)|$(CREATED_BY)";
  const { ok, stdout } = await run("apt-get", ["indextargets", "--format", format]);
  if (!ok) return null;
  for (const line of stdout.split("\n")) {
    const [uri = "", codename = "", component, signedBy = "", label, origin, kind] = line.split("|");
    if (component !== "main" || kind !== "Packages" || origin !== "Debian" || label !== "Debian") continue;
    if (codename.includes("-")) continue;
    return { uri, codename, signedBy: signedBy.startsWith("/") ? signedBy : "" };
  }
  return null;
}

/** The keyring of the distribution, for sources that do not name theirs. */
const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

/**
 * An apt of our own for one suite of the host's mirror.
 *
 * @throws PL503 when the host has no Debian mirror, or the lists cannot be fetched.
 */
export async function privateApt(suite: "backports" | "stable" | "testing" | "unstable"): Promise<AptSource> {
  const mirror = await hostMirror();
  if (mirror === null) {
    throw new PagelifeError(
      "PL503",
      "the host's apt names no Debian mirror, so no kernel can be fetched by package name. Give one with --kernel-image and --modules.",
    );
  }
  const name = suite === "backports" ? `${mirror.codename}-backports` : suite;
  const root = join(cacheDirectory(), "apt", name);
  mkdirSync(join(root, "lists/partial"), { recursive: true });
  mkdirSync(join(root, "cache/archives/partial"), { recursive: true });
  const signed = `[signed-by=${mirror.signedBy || KEYRING}] `;
  writeFileSync(join(root, "sources.list"), `deb ${signed}${mirror.uri} ${name} main\n`);
  writeFileSync(
    join(root, "apt.conf"),
    [
      `Dir::Etc::sourcelist "${root}/sources.list";`,
      'Dir::Etc::sourceparts "-";',
      `Dir::State::lists "${root}/lists";`,
      `Dir::Cache "${root}/cache";`,
      'APT::Get::List-Cleanup "0";',
      // Only names and versions are looked up: the other indexes would be 50 MB of nothing.
      'Acquire::Languages "none";',
      // The cache may lie where the unprivileged download user cannot write.
      'APT::Sandbox::User "";',
      "",
    ].join("\n"),
  );
  const source: AptSource = {
    label: `a private apt for ${name}`,
    run: (tool, args, cwd) =>
      run(tool, args, { env: { APT_CONFIG: join(root, "apt.conf") }, ...(cwd === undefined ? {} : { cwd }) }),
  };
  if (!readdirSync(join(root, "lists")).some((f) => f.includes("_Packages"))) {
    const update = await source.run("apt-get", ["update", "-q"]);
    if (!update.ok || !readdirSync(join(root, "lists")).some((f) => f.includes("_Packages"))) {
      throw new PagelifeError(
        "PL503",
        `the lists of ${name} could not be fetched: ${lastLine(update.stderr)}`,
      );
    }
  }
  return source;
}

const lastLine = (text: string): string => text.trim().split("\n").at(-1) ?? "";

/** Numbers in a release compare as numbers: 6.12.9 is older than 6.12.117. */
function compareReleases(a: string, b: string): number {
  return a.localeCompare(b, "en", { numeric: true });
}

/** The newest plain kernel image of a source whose version starts as asked, e.g. `6.12` or `7`. */
export async function findKernelPackage(source: AptSource, version: string): Promise<KernelPackage | null> {
  const pattern = `^linux-image-${version.replaceAll(".", "\\.")}\\.[0-9].*-amd64$`;
  const { ok, stdout } = await source.run("apt-cache", ["search", "--names-only", pattern]);
  if (!ok) return null;
  const releases = stdout
    .split("\n")
    .map((line) => /^linux-image-(\S+)/.exec(line)?.[1] ?? "")
    .filter((release) => release !== "" && !/(?:-rt|-cloud|-dbg|-unsigned|-16k|-64k)/.test(release))
    .sort(compareReleases);
  const release = releases.at(-1);
  return release === undefined ? null : { name: `linux-image-${release}`, release, source };
}

/**
 * Downloads a kernel image and what it is split into (image, binary and modules packages), and unpacks
 * them. Nothing is installed.
 *
 * @throws PL503 when a download or unpacking fails.
 */
export async function unpackKernelPackage(kernel: KernelPackage, into: string): Promise<void> {
  const parts = [kernel.name];
  for (const part of parts) {
    const { stdout } = await kernel.source.run("apt-cache", ["depends", part]);
    for (const [, name = ""] of stdout.matchAll(/Depends: (linux-(?:binary|modules|image)-\S+)/g)) {
      if (name.endsWith(kernel.release) && !parts.includes(name)) parts.push(name);
    }
  }
  const fetched = await kernel.source.run("apt-get", ["download", "-q", ...parts], into);
  if (!fetched.ok) {
    throw new PagelifeError(
      "PL503",
      `${parts.join(", ")} could not be fetched by ${kernel.source.label}: ${lastLine(fetched.stderr)}`,
    );
  }
  for (const deb of readdirSync(into).filter((f) => f.endsWith(".deb"))) {
    const unpacked = await run("dpkg-deb", ["-x", join(into, deb), join(into, "root")]);
    if (!unpacked.ok)
      throw new PagelifeError("PL503", `${deb} could not be unpacked: ${lastLine(unpacked.stderr)}`);
  }
}
