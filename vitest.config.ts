import { resolve } from "node:path";
import { defineConfig, type Plugin } from "vitest/config";
import { instrument, isInstrumentedPath } from "./src/explore/instrument/instrument.ts";

/** Tests define threads, too: instrument the ones that can see the primitives. */
const definesThreads = (path: string, code: string): boolean =>
  /\.test\.ts$|[\\/]test[\\/].*\.ts$/.test(path) &&
  /function\s*\*|\{\s*\*|,\s*\*\w|^\s*\*\w+\(/m.test(code) &&
  /explore\/|kernel\//.test(path + code);

const instrumentThreads = (): Plugin => ({
  name: "pagelife-instrument",
  enforce: "post",
  transform(code, id) {
    const path = id.split("?")[0] ?? id;
    if (path.includes("node_modules")) return null;
    if (!isInstrumentedPath(path) && !definesThreads(path, code)) return null;
    const runtime = resolve(import.meta.dirname, "src/explore/frames.ts");
    return instrument(code, { file: path, map: JSON.stringify(this.getCombinedSourcemap()), runtime });
  },
});

export default defineConfig({
  plugins: [instrumentThreads()],
  test: {
    include: ["src/**/*.test.ts", "test/**/*.test.ts", "lab/**/*.test.ts"],
    testTimeout: 60_000,
    // Most files load the whole subsystem, which takes longer than many of their tests.
    isolate: false,
    // Half of the tests wait for a command that they run, so a worker for each core pays.
    maxWorkers: "100%",
  },
});
