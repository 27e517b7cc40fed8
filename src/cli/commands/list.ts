// `pagelife list`: what there is to name.
import type { Command } from "commander";
import { PagelifeError } from "../../base/errors.ts";
import { changes, exceptions, kernels } from "../../changes/kernels.ts";
import { kernelInvariants } from "../../kernel/invariants.ts";
import { functionsOf, type KernelVersion } from "../../kernel/kernel.ts";
import { kernelLiveness } from "../../kernel/liveness.ts";
import { wrap } from "../../report/wrap.ts";
import { catalogue } from "../../scenarios/catalogue.ts";

const WHAT = "scenarios, kernels, changes, functions or rules";

export function registerList(program: Command): void {
  program
    .command("list")
    .description(`list ${WHAT}`)
    .argument("[WHAT]", WHAT, "scenarios")
    .action((what: string) => {
      process.stdout.write(`${listing(what)}\n`);
    });
}

const whichRelease = `Each stands for the release .0 of its name, without what stable kernels got later; but ${exceptions.join("; ")}.`;

function kernelLine({ release, layers }: KernelVersion): string {
  const names = layers.flatMap((l) => (l.change === null ? [] : [l.change.name]));
  return `${release}${names.length > 0 ? `  ${names.join(", ")}` : ""}`;
}

function listing(what: string): string {
  switch (what) {
    case "scenarios":
      return catalogue.map((s) => [s.name, ...wrap(`  ${s.question}`, 100, "  ")].join("\n")).join("\n");
    case "kernels":
      return [...kernels.map(kernelLine), ...wrap(whichRelease, 100, "")].join("\n");
    case "changes":
      return changes
        .map((c) => {
          const onto = c.onto === undefined ? "" : ` (onto ${c.onto.join(", ")})`;
          const source = c.source === "twin" ? [] : [`  ${c.source}`];
          return [`${c.name}${onto}`, ...wrap(`  ${c.subject}`, 100, "  "), ...source].join("\n");
        })
        .join("\n");
    case "functions":
      return functions();
    case "rules":
      return [
        ...kernelInvariants.map((r) => `${r.name}${r.at === "end" ? "  where nobody can run any more" : ""}`),
        ...kernelLiveness.map((l) => `${l.name}  of waits and loops without end`),
        "docs/invariants.md says what each is for.",
      ].join("\n");
    default:
      throw new PagelifeError("PL105", `list ${what}: expected ${WHAT}`);
  }
}

/** Each function, and in which kernels a change replaced or added it. */
function functions(): string {
  const tables = kernels.map((k) => ({ release: k.release, table: functionsOf(k) }));
  const names = [...new Set(tables.flatMap((t) => [...t.table.keys()]))].sort();
  return names
    .map((name) => {
      const first = tables.find((t) => t.table.has(name))?.release ?? "";
      const versions = tables.flatMap(({ release, table }, i) => {
        const by = table.get(name);
        const before = i === 0 ? undefined : tables[i - 1]?.table.get(name);
        return by != null && by !== before ? [`${release}: ${by.name}`] : [];
      });
      return `${name}()  since ${first}${versions.length > 0 ? `; ${versions.join("; ")}` : ""}`;
    })
    .join("\n");
}
