// `pagelife record [-- CMD]`: the commands that record what `pagelife trace` needs, on this kernel.
import { spawn } from "node:child_process";
import {
  accessSync,
  constants,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { release, tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { gunzipSync } from "node:zlib";
import type { Command } from "commander";
import { PagelifeError } from "../../base/errors.ts";
import { Btf } from "../../trace/record/btf.ts";
import { type RecordOptions, recordScript } from "../../trace/record/commands.ts";
import { type KernelFacts, recordTools, type Tool } from "../../trace/record/kernel-facts.ts";
import { planProbes } from "../../trace/record/probe-plan.ts";
import { exitCode } from "../exit.ts";

interface RecordFlags {
  readonly tool?: string;
  readonly output?: string;
  readonly buffer: string;
  readonly pfn?: string;
  readonly stacks: boolean;
  readonly seconds?: string;
  readonly run?: boolean;
}

export function registerRecord(program: Command): void {
  program
    .command("record")
    .description("print, or run as root, the commands that record what `pagelife trace` needs")
    .argument("[command...]", "what to run while recording; without one, until Ctrl-C")
    .option("--run", "perform the commands (as root) instead of printing them")
    .option("--tool <tool>", `${recordTools.join(", ")} (default: the first that is installed)`)
    .option("-o, --output <file>", "where the recording goes (default: trace.dat, or trace.txt)")
    .option("--buffer <kb>", "buffer of each CPU in KiB", "16384")
    .option(
      "--pfn <range>",
      "first and last pfn of the device, such as 0x40000-0x7ffff (default: persistent memory in /proc/iomem)",
    )
    .option("--seconds <n>", "stop after so many seconds")
    .option("--no-stacks", "without call stacks: smaller, but holders are told apart by task only")
    .addHelpText(
      "after",
      `
The script sets kprobes of the group "pagelife", records into buffers that are
bounded, and removes its probes when it ends, also by Ctrl-C.

Examples:
  pagelife record                         # look at what would be done
  sudo pagelife record --run --seconds 10
  sudo pagelife record --run -- fio job.fio && pagelife trace trace.dat`,
    )
    .action(async (command: string[], flags: RecordFlags) => {
      const facts = gatherFacts();
      const { script, options } = prepare(facts, command, flags);
      if (flags.run !== true) {
        process.stdout.write(script);
        return;
      }
      if (!facts.root)
        throw new PagelifeError(
          "PL405",
          "--run needs root: probes are set in tracefs. Without --run the commands are printed.",
        );
      if (facts.tracefs === null && options.tool !== "bpftrace") {
        throw new PagelifeError(
          "PL405",
          "tracefs is not mounted: `mount -t tracefs nodev /sys/kernel/tracing`, if this kernel has tracing.",
        );
      }
      process.exitCode = await run(script);
    });
}

function prepare(
  facts: KernelFacts,
  command: readonly string[],
  flags: RecordFlags,
): { readonly script: string; readonly options: RecordOptions } {
  const tool = toolOf(facts, flags.tool);
  const bufferKb = positive("--buffer", flags.buffer);
  const plan = planProbes(facts);
  const pfns =
    flags.pfn === undefined
      ? facts.pmem[0] === undefined
        ? null
        : ([Math.min(...facts.pmem.map((r) => r[0])), Math.max(...facts.pmem.map((r) => r[1]))] as const)
      : pfnRange(flags.pfn);
  const options: RecordOptions = {
    tool,
    output: flags.output ?? (tool === "trace-cmd" ? "trace.dat" : "trace.txt"),
    bufferKb,
    pfns,
    stacks: flags.stacks,
    seconds: flags.seconds === undefined ? null : positive("--seconds", flags.seconds),
    command,
    tracefs: facts.tracefs ?? "/sys/kernel/tracing",
    release: facts.release.replace(/[^\w.+~-]/g, ""),
  };
  const comments = [
    `Records what \`pagelife trace\` needs, with ${tool}, on ${facts.release}.`,
    `struct page: offsets from ${plan.offsets === "BTF" ? "BTF" : "what all 64-bit kernels have"}; ${plan.probes.length} probes.`,
    ...plan.notes,
    typeof plan.zone === "string"
      ? `not filtered to ZONE_DEVICE: ${plan.zone}; ordinary pages are recorded, too`
      : "probes are filtered to pages of ZONE_DEVICE by their flags",
    pfns === null
      ? "page_ref is not filtered: give the device's pages with --pfn FIRST-LAST"
      : `page_ref is filtered to pfn 0x${pfns[0].toString(16)}-0x${pfns[1].toString(16)}`,
    ...plan.skipped.map((s) => `left out: ${s.event} (${s.why})`),
    `buffer: ${bufferKb} KiB for each CPU`,
  ];
  return { script: recordScript(plan, options, comments), options };
}

function toolOf(facts: KernelFacts, name: string | undefined): Tool {
  if (name === undefined) return facts.tools.find((t) => t === "trace-cmd") ?? "tracefs";
  const tool = recordTools.find((t) => t === name);
  if (tool === undefined)
    throw new PagelifeError("PL105", `--tool ${name}: expected ${recordTools.join(", ")}.`);
  return tool;
}

function positive(option: string, text: string): number {
  const n = Number(text);
  if (!Number.isSafeInteger(n) || n <= 0)
    throw new PagelifeError("PL105", `${option} ${text}: expected a positive number.`);
  return n;
}

function pfnRange(text: string): readonly [number, number] {
  const [first = "", last = first] = text.split("-");
  const from = Number(first);
  const to = Number(last);
  if (first === "" || !Number.isSafeInteger(from) || !Number.isSafeInteger(to) || to < from) {
    throw new PagelifeError("PL105", `--pfn ${text}: expected FIRST-LAST, such as 0x40000-0x7ffff.`);
  }
  return [from, to];
}

/** Runs the script; Ctrl-C goes to it, and it cleans up. */
async function run(script: string): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "pagelife-record-"));
  const file = join(folder, "record.sh");
  writeFileSync(file, script, { mode: 0o700 });
  const ignore = (): void => undefined;
  process.on("SIGINT", ignore);
  process.on("SIGTERM", ignore);
  try {
    return await new Promise<number>((resolve, reject) => {
      const child = spawn("sh", [file], { stdio: "inherit" });
      child.on("error", reject);
      child.on("exit", (code) => resolve(code ?? exitCode.interrupted));
    });
  } finally {
    process.removeListener("SIGINT", ignore);
    process.removeListener("SIGTERM", ignore);
    rmSync(folder, { recursive: true, force: true });
  }
}

function gatherFacts(): KernelFacts {
  const tracefs =
    ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"].find((p) => existsSync(join(p, "kprobe_events"))) ??
    null;
  const config = kernelConfig();
  const events = tracefs === null ? null : join(tracefs, "events");
  const has = (system: string, option: string): boolean | null => {
    if (events !== null && existsSync(events)) return existsSync(join(events, system));
    return config === null ? null : config.has(option);
  };
  const btf = readOr("/sys/kernel/btf/vmlinux");
  const nodesShift = config?.get("CONFIG_NODES_SHIFT");
  return {
    release: release(),
    root: process.getuid?.() === 0,
    tracefs,
    functions: probeableFunctions(tracefs),
    btf: btf === null ? null : Btf.parse(btf),
    pageRef: has("page_ref", "CONFIG_DEBUG_PAGE_REF"),
    fsDax: has("fs_dax", "CONFIG_FS_DAX"),
    nodesShift: config === null ? null : Number(nodesShift ?? 0),
    nodes: numaNodes(),
    tools: recordTools.filter((t) => t === "tracefs" || installed(t)),
    pmem: persistentMemory(),
  };
}

function readOr(path: string): Buffer | null {
  try {
    return readFileSync(path);
  } catch {
    return null;
  }
}

/** Where distributions leave the configuration of the running kernel: Debian until 6.x, then it and Fedora. */
const configFiles = (): readonly string[] => [
  `/boot/config-${release()}`,
  `/lib/modules/${release()}/config`,
  `/lib/modules/${release()}/build/.config`,
];

function kernelConfig(): Map<string, string> | null {
  const packed = readOr("/proc/config.gz");
  const plain = packed === null ? firstOf(configFiles()) : gunzipSync(packed);
  if (plain === null) return null;
  return new Map(
    [...plain.toString("latin1").matchAll(/^(CONFIG_\w+)=(.*)$/gm)].map((m) => [m[1] ?? "", m[2] ?? ""]),
  );
}

function firstOf(paths: readonly string[]): Buffer | null {
  for (const path of paths) {
    const content = readOr(path);
    if (content !== null) return content;
  }
  return null;
}

/** Functions that may be probed; null if no list can be read. */
function probeableFunctions(tracefs: string | null): Set<string> | null {
  const list = tracefs === null ? null : readOr(join(tracefs, "available_filter_functions"));
  if (list !== null && list.length > 0)
    return new Set(
      list
        .toString("latin1")
        .split("\n")
        .map((l) => l.split(" ")[0] ?? ""),
    );
  const symbols = readOr("/proc/kallsyms");
  if (symbols === null || symbols.length === 0) return null;
  return new Set([...symbols.toString("latin1").matchAll(/^\S+ [tTwW] (\S+)/gm)].map((m) => m[1] ?? ""));
}

function numaNodes(): number[] {
  try {
    const nodes = readdirSync("/sys/devices/system/node").flatMap((f) =>
      /^node(\d+)$/.test(f) ? [Number(f.slice(4))] : [],
    );
    return nodes.length === 0 ? [0] : nodes.sort((a, b) => a - b);
  } catch {
    return [0];
  }
}

function installed(tool: string): boolean {
  return (process.env.PATH ?? "").split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, tool), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Persistent and other device memory by /proc/iomem; empty if it does not show addresses. */
function persistentMemory(): [number, number][] {
  const text = readOr("/proc/iomem")?.toString("latin1") ?? "";
  return [...text.matchAll(/^\s*([0-9a-f]+)-([0-9a-f]+) : (?:Persistent Memory|dax\d)/gim)]
    .map((m): [number, number] => [
      Number.parseInt(m[1] ?? "0", 16) / 4096,
      Math.floor(Number.parseInt(m[2] ?? "0", 16) / 4096),
    ])
    .filter(([from, to]) => to > from);
}
