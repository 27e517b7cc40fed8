// The commands that record what the analysis needs, as a shell script: to be read, kept, or run. Each
// bounds its buffers, takes nothing from other users of tracing (an instance and a probe group of its
// own), and removes what it set up, on Ctrl-C, too.
import type { Tool } from "./kernel-facts.ts";
import type { ProbeDefinition, ProbePlan } from "./probe-plan.ts";

export interface RecordOptions {
  readonly tool: Tool;
  readonly output: string;
  /** Buffer of each CPU, in KiB. */
  readonly bufferKb: number;
  /** First and last pfn of the device; null: no filter by pfn. */
  readonly pfns: readonly [number, number] | null;
  readonly stacks: boolean;
  /** Seconds; null: until the command ends, or Ctrl-C. */
  readonly seconds: number | null;
  /** The command to run while recording; empty: none. */
  readonly command: readonly string[];
  readonly tracefs: string;
  /** `uname -r`. */
  readonly release: string;
}

/** The probes' group, so that only our own are removed again. */
const GROUP = "pagelife";

/** The line that a script writes into a recording that would not say otherwise what kernel it is of. */
export const RECORDED_ON = "pagelife: recorded on ";

/** A word for a POSIX shell. */
export const quote = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replace(/'/g, "'\\''")}'`;

export function recordScript(plan: ProbePlan, o: RecordOptions, comments: readonly string[]): string {
  const body = {
    tracefs: tracefsScript,
    "trace-cmd": traceCmdScript,
    perf: perfScript,
    bpftrace: bpftraceScript,
  }[o.tool](plan, o);
  const head = ["#!/bin/sh", ...comments.map((c) => `# ${c}`), "set -eu"];
  return `${[...head, ...body].join("\n")}\n`;
}

const definition = (p: ProbeDefinition): string =>
  `${p.isReturn ? "r" : "p"}:${GROUP}/${p.event} ${p.fn}${p.args === "" ? "" : ` ${p.args}`}`;

const pageRefFilter = (o: RecordOptions): string =>
  o.pfns === null ? "" : `pfn >= 0x${o.pfns[0].toString(16)} && pfn <= 0x${o.pfns[1].toString(16)}`;

const filterOf = (plan: ProbePlan, p: ProbeDefinition): string =>
  p.args.includes(" flags=") ? plan.zoneFilter : "";

/** Sets probes, one by one: one that this kernel refuses is left out, and said. */
function setProbes(o: RecordOptions): string[] {
  return [
    `T=${quote(o.tracefs)}`,
    `[ -w "$T/kprobe_events" ] || { echo "pagelife: $T/kprobe_events cannot be written: root, and tracefs mounted?" >&2; exit 2; }`,
    "probes=",
    "probe() {",
    `  if echo "$2" >> "$T/kprobe_events" 2>/dev/null; then probes="$probes $1"; else echo "pagelife: no probe $1 on this kernel" >&2; fi`,
    "}",
    "remove_probes() {",
    `  for p in $probes; do echo "-:${GROUP}/$p" >> "$T/kprobe_events" 2>/dev/null || true; done`,
    "  probes=",
    "}",
  ];
}

const probeLines = (plan: ProbePlan): string[] =>
  plan.probes.map((p) => `probe ${p.event} ${quote(definition(p))}`);

/** Runs the command, or waits; Ctrl-C ends that, and not the script. */
function waitLines(o: RecordOptions): string[] {
  if (o.command.length > 0) return ["status=0", `${o.command.map(quote).join(" ")} || status=$?`];
  if (o.seconds !== null) return ["status=0", `sleep ${o.seconds} || true`];
  return [
    "status=0",
    'echo "pagelife: recording; Ctrl-C ends it" >&2',
    'while [ -z "$stop" ]; do sleep 1 || true; done',
  ];
}

function tracefsScript(plan: ProbePlan, o: RecordOptions): string[] {
  const filters = plan.probes
    .filter((p) => filterOf(plan, p) !== "")
    .map((p) => `filter ${GROUP}/${p.event} ${quote(filterOf(plan, p))}`);
  return [
    ...setProbes(o),
    `I="$T/instances/${GROUP}"`,
    "stop=",
    "cleanup() {",
    '  [ -d "$I" ] && { echo 0 > "$I/tracing_on"; echo 0 > "$I/events/enable"; rmdir "$I" || true; }',
    "  remove_probes",
    "}",
    "trap cleanup EXIT",
    "trap 'stop=1' INT TERM",
    'mkdir "$I"',
    'echo 0 > "$I/tracing_on"',
    'echo mono > "$I/trace_clock"',
    `echo ${o.bufferKb} > "$I/buffer_size_kb"`,
    ...probeLines(plan),
    'filter() { [ -d "$I/events/$1" ] && { echo "$2" > "$I/events/$1/filter" || echo "pagelife: no filter on $1" >&2; }; return 0; }',
    ...filters,
    ...(plan.tracepoints.includes("page_ref") && o.pfns !== null
      ? [`filter page_ref ${quote(pageRefFilter(o))}`]
      : []),
    `for e in ${[GROUP, ...plan.tracepoints].join(" ")}; do [ -d "$I/events/$e" ] && echo 1 > "$I/events/$e/enable"; done`,
    ...(o.stacks ? ['echo 1 > "$I/options/stacktrace"'] : []),
    'echo 1 > "$I/tracing_on"',
    `echo "${RECORDED_ON}$(uname -r)" > "$I/trace_marker" || true`,
    ...waitLines(o),
    'echo 0 > "$I/tracing_on"',
    `cat "$I/trace" > ${quote(o.output)}`,
    told(o),
    "exit $status",
  ];
}

function traceCmdScript(plan: ProbePlan, o: RecordOptions): string[] {
  const events: string[] = [];
  for (const p of plan.probes) {
    const filter = filterOf(plan, p);
    events.push(
      `case "$probes " in *" ${p.event} "*) set -- "$@" -e ${GROUP}:${p.event}${filter === "" ? "" : ` -f ${quote(filter)}`};; esac`,
    );
  }
  for (const system of plan.tracepoints) {
    const filter = system === "page_ref" ? pageRefFilter(o) : "";
    events.push(
      `[ -d "$T/events/${system}" ] && set -- "$@" -e ${system}${filter === "" ? "" : ` -f ${quote(filter)}`}`,
    );
  }
  const command =
    o.command.length > 0 ? o.command.map(quote).join(" ") : o.seconds !== null ? `sleep ${o.seconds}` : "";
  return [
    ...setProbes(o),
    "trap remove_probes EXIT",
    "trap : INT TERM",
    ...probeLines(plan),
    "set --",
    ...events,
    `trace-cmd record -q -C mono -b ${o.bufferKb} -o ${quote(o.output)}${o.stacks ? " -T" : ""} "$@" ${command}`.trimEnd(),
    told(o),
  ];
}

function perfScript(plan: ProbePlan, o: RecordOptions): string[] {
  const pages = powerOfTwo(o.bufferKb / 4);
  const data = `${o.output}.perf.data`;
  const events: string[] = [];
  for (const p of plan.probes) {
    const filter = filterOf(plan, p);
    events.push(
      `case "$probes " in *" ${p.event} "*) set -- "$@" -e ${GROUP}:${p.event}${filter === "" ? "" : ` --filter ${quote(filter)}`};; esac`,
    );
  }
  for (const system of plan.tracepoints) {
    const filter = system === "page_ref" ? pageRefFilter(o) : "";
    events.push(
      `[ -d "$T/events/${system}" ] && set -- "$@" -e ${quote(`${system}:*`)}${filter === "" ? "" : ` --filter ${quote(filter)}`}`,
    );
  }
  const command =
    o.command.length > 0
      ? `-- ${o.command.map(quote).join(" ")}`
      : o.seconds !== null
        ? `-- sleep ${o.seconds}`
        : "";
  return [
    ...setProbes(o),
    "trap remove_probes EXIT",
    "trap : INT TERM",
    ...probeLines(plan),
    "set --",
    ...events,
    `perf record -a -k mono -m ${pages}${o.stacks ? " -g" : ""} -o ${quote(data)} "$@" ${command}`.trimEnd(),
    `perf script -i ${quote(data)} -F comm,pid,tid,cpu,time,event,trace${o.stacks ? ",ip,sym" : ""} --show-lost-events --header > ${quote(o.output)}`,
    `rm -f ${quote(data)}`,
    told(o),
  ];
}

function bpftraceScript(plan: ProbePlan, o: RecordOptions): string[] {
  const programs: string[] = [`BEGIN { printf("# os release : ${o.release}\\n"); }`];
  for (const p of plan.probes) {
    const site = p.isReturn ? `(? <- ${p.fn})` : `(${p.fn}+0x0/0x0)`;
    const format = [
      `%16s-%-7d [%03d] ..... %5llu.%06llu: ${p.event}: ${site}`,
      ...p.bpf.map((a) => `${a.name}=${a.format}`),
    ].join(" ");
    const values = [
      "comm",
      "tid",
      "cpu",
      "nsecs / 1000000000",
      "(nsecs % 1000000000) / 1000",
      ...p.bpf.map((a) => a.expression),
    ];
    programs.push(
      `${p.isReturn ? "kretprobe" : "kprobe"}:${p.fn} { printf("${format}\\n", ${values.join(", ")});${o.stacks && !p.isReturn ? " print(kstack);" : ""} }`,
    );
  }
  const ending = o.command.length > 0 ? ` -c ${quote(o.command.join(" "))}` : "";
  const interval = o.seconds !== null && o.command.length === 0 ? `interval:s:${o.seconds} { exit(); }` : "";
  return [
    // bpftrace removes its probes when it ends, however it ends.
    `export BPFTRACE_PERF_RB_PAGES=${powerOfTwo(o.bufferKb / 4)}`,
    `bpftrace${ending} -o ${quote(o.output)} -e '`,
    ...programs.map((line) => `  ${line.replace(/'/g, "")}`),
    ...(interval === "" ? [] : [`  ${interval}`]),
    "'",
    told(o),
  ];
}

const told = (o: RecordOptions): string =>
  `echo "pagelife: read it with: pagelife trace" ${quote(quote(o.output))} >&2`;

/** perf and bpftrace want buffers of 2^n pages. */
const powerOfTwo = (pages: number): number => 2 ** Math.max(0, Math.floor(Math.log2(Math.max(1, pages))));
