// Runs the tools of the host: apt-get, dpkg-deb, gcc, xz. What a tool says is kept for the error message.
import { execFile } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

export interface CommandResult {
  readonly ok: boolean;
  readonly stdout: string;
  /** What the tool wrote to its standard error, or why it could not be started. */
  readonly stderr: string;
}

/** Runs a tool to its end; never throws, also when the tool does not exist. */
export function run(
  tool: string,
  args: readonly string[],
  options: { cwd?: string; env?: Readonly<Record<string, string>> } = {},
): Promise<CommandResult> {
  return new Promise((done) => {
    execFile(
      tool,
      [...args],
      {
        maxBuffer: 1 << 30,
        ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
        env: { ...process.env, LC_ALL: "C", ...options.env },
      },
      (error, stdout, stderr) => {
        done({ ok: error === null, stdout, stderr: error === null ? stderr : stderr || error.message });
      },
    );
  });
}

/** Runs a tool and hands back the bytes that it writes, as for `xz -dc`. */
export function runForBytes(tool: string, args: readonly string[]): Promise<Buffer | string> {
  return new Promise((done) => {
    execFile(tool, [...args], { maxBuffer: 1 << 30, encoding: "buffer" }, (error, stdout, stderr) => {
      done(error === null ? stdout : stderr.toString("utf8") || error.message);
    });
  });
}

/** Where a tool is, looked up in PATH and where Debian keeps the tools of root; null if nowhere. */
export function findTool(name: string): string | null {
  for (const dir of [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/sbin"]) {
    if (dir === "") continue;
    try {
      accessSync(join(dir, name), constants.X_OK);
      return join(dir, name);
    } catch {
      // Not here.
    }
  }
  return null;
}
