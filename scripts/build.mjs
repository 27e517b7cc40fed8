// Builds dist/: TypeScript to JavaScript, then the instrumentation that makes the local state of
// modelled threads visible (src/explore/instrument/). Run by `npm run build`.
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const dist = join(root, "dist");
rmSync(dist, { recursive: true, force: true });

const tsc = spawnSync(
  process.execPath,
  [join(root, "node_modules/typescript/bin/tsc"), "-p", join(root, "tsconfig.build.json")],
  { stdio: "inherit", cwd: root },
);
if (tsc.status !== 0) process.exit(tsc.status ?? 1);

const { instrument, isInstrumentedPath } = await import("../dist/explore/instrument/instrument.js");
for (const entry of readdirSync(dist, { recursive: true, encoding: "utf8" })) {
  const path = join(dist, entry);
  if (!path.endsWith(".js") || !isInstrumentedPath(path)) continue;
  const mapPath = `${path}.map`;
  const map = existsSync(mapPath) ? readFileSync(mapPath, "utf8") : undefined;
  const code = readFileSync(path, "utf8").replace(/\n\/\/# sourceMappingURL=.*\s*$/, "\n");
  const runtime = relative(dirname(path), join(dist, "explore/frames.js")).replace(/^(?!\.)/, "./");
  const result = instrument(code, { file: path, map, runtime });
  if (result === null) continue;
  writeFileSync(mapPath, result.map);
  writeFileSync(path, `${result.code}\n//# sourceMappingURL=${entry.split(/[\\/]/).pop()}.map\n`);
}
const command = join(dist, "cli/main.js");
chmodSync(command, 0o755);

// npm links the commands of dependencies, not a package's own; so that `npx pagelife` works in a clone:
const link = join(root, "node_modules/.bin/pagelife");
rmSync(link, { force: true });
symlinkSync(relative(dirname(link), command), link);
