// The random programs of `random-program.ts` for workers, which load JavaScript: against what `npm run build`
// made, and instrumented when it is loaded, as a user's file is.
import { fileURLToPath } from "node:url";
import { createJiti } from "jiti";
import "../../dist/explore/frames.js";
import { instrument } from "../../dist/explore/instrument/instrument.js";

const file = fileURLToPath(new URL("random-program.ts", import.meta.url));
const plain = createJiti(import.meta.url, { fsCache: false, moduleCache: false });
const jiti = createJiti(import.meta.url, {
  fsCache: false,
  moduleCache: false,
  transform(options) {
    const source = options.source.replace(/"\.\.\/\.\.\/src\/(.*)\.ts"/g, '"../../dist/$1.js"');
    const code = plain.transform({ ...options, source });
    return { code: instrument(code, { file })?.code ?? code };
  },
});

export const { program } = await jiti.import(file);
