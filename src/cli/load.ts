// Scenario and change files of the user's, in TypeScript: loaded with jiti, instrumented like our own
// code, against `pagelife/explore`, `pagelife/kernel` and `pagelife/kernels` of this very installation. What that takes is loaded
// only when there is a file: a check of the catalogue does not wait for it.
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { PagelifeBug } from "../base/assert.ts";
import { PagelifeError } from "../base/errors.ts";
import type { Change } from "../kernel/kernel.ts";
import type { Scenario } from "../kernel/scenario.ts";
import { wellFormedChange, wellFormedScenario } from "../kernel/well-formed.ts";

/** What a file exports. */
export interface Exported {
  readonly scenarios: Scenario[];
  readonly changes: Change[];
}

/** The scenarios that a file exports, and the changes beside them. */
export async function loadScenarios(file: string): Promise<Exported> {
  const found = await loadBoth(file);
  if (found.scenarios.length > 0) return found;
  throw new PagelifeError(
    "PL104",
    `${file} exports no scenario; export the value of scenario({ name, setup, threads, invariants }), ` +
      "by default or by name",
  );
}

/** The changes that a file exports. */
export async function loadChanges(file: string): Promise<Change[]> {
  const { changes } = await loadBoth(file);
  if (changes.length > 0) return changes;
  throw new PagelifeError(
    "PL104",
    `${file} exports no change; export the value of change({ name, subject, source, functions }), ` +
      "by default or by name",
  );
}

/** The scenarios and changes that a file exports. */
export async function loadAny(file: string): Promise<Exported> {
  const found = await loadBoth(file);
  if (found.scenarios.length + found.changes.length > 0) return found;
  throw new PagelifeError("PL104", `${file} exports neither a scenario nor a change`);
}

async function loadBoth(file: string): Promise<Exported> {
  const exported = await load(file);
  return {
    scenarios: exported.filter(isScenario).map(wellFormedScenario),
    changes: exported.filter(isChange).map(wellFormedChange),
  };
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null;

const isScenario = (value: unknown): value is Scenario =>
  isRecord(value) &&
  typeof value.name === "string" &&
  typeof value.setup === "function" &&
  isRecord(value.threads) &&
  Array.isArray(value.invariants);

const isChange = (value: unknown): value is Change =>
  isRecord(value) && typeof value.name === "string" && isRecord(value.functions);

async function load(file: string): Promise<unknown[]> {
  const path = resolve(file);
  if (!existsSync(path)) throw new PagelifeError("PL102", `${file}: no such file`);
  const { createJiti } = await import("jiti");
  const { instrument } = await import("../explore/instrument/instrument.ts");
  const exploreModule = await import("../explore/index.ts");
  const kernelModule = await import("../kernel/index.ts");
  const kernelsModule = await import("../changes/kernels.ts");
  const plain = createJiti(import.meta.url, { fsCache: false, moduleCache: false, sourceMaps: true });
  const jiti = createJiti(import.meta.url, {
    fsCache: false,
    moduleCache: false,
    virtualModules: {
      "pagelife/explore": exploreModule,
      "pagelife/kernel": kernelModule,
      "pagelife/kernels": kernelsModule,
    },
    transform(options) {
      const name = options.filename ?? file;
      const code = plain.transform(options);
      const { source, map } = splitSourceMap(code);
      const done = instrument(source, { file: name, map, calls: true });
      return { code: done === null ? code : withSourceMap(done.code, done.map) };
    },
  });
  try {
    const module: unknown = await jiti.import(path);
    const exported = isRecord(module) ? Object.values(module) : [];
    return [...new Set(exported)];
  } catch (error) {
    if (error instanceof PagelifeError && error.code === "PL208") {
      throw new PagelifeError("PL208", describe(error, file, path).replace("PL208: ", ""), { cause: error });
    }
    if (error instanceof PagelifeError || error instanceof PagelifeBug) throw error;
    throw new PagelifeError("PL103", describe(error, file, path), { cause: error });
  }
}

const SOURCE_MAP =
  /\n?\/\/# sourceMappingURL=data:application\/json;charset=utf-8;base64,([A-Za-z0-9+/=]+)\s*$/;

/** Code, and the map that stands at its end, if one does. */
function splitSourceMap(code: string): { source: string; map: string | undefined } {
  const found = SOURCE_MAP.exec(code);
  if (found === null) return { source: code, map: undefined };
  return {
    source: code.slice(0, found.index),
    map: Buffer.from(found[1] ?? "", "base64").toString("utf8"),
  };
}

const withSourceMap = (code: string, map: string): string =>
  `${code}\n//# sourceMappingURL=data:application/json;charset=utf-8;base64,${Buffer.from(map).toString("base64")}\n`;

/** `file:line: what went wrong`. */
function describe(error: unknown, file: string, path: string): string {
  if (!(error instanceof Error)) return `${file}: it throws ${String(error)} while it is loaded`;
  const { message, stack = "" } = error;
  const escaped = path.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const line = new RegExp(`${escaped}:(\\d+)`).exec(`${message}\n${stack}`)?.[1];
  const first = (message.split("\n")[0] ?? "").replace(new RegExp(` *${escaped}:\\d+(:\\d+)? *`), "").trim();
  return `${file}${line === undefined ? "" : `:${line}`}: ${first || "it cannot be read as TypeScript"}`;
}
