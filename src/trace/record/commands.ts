// The commands that record what the analysis needs, as a shell script: to be read, kept, or run. Each
// bounds its buffers, takes nothing from other users of tracing (an instance and a probe group of its
// own), and removes what it set up, on Ctrl-C, too.
import type { Tool } from "./kernel-facts.ts";
import { PROBE_GROUP, RECORDED_ON, SWITCHED_ON, wordsOf } from "./marks.ts";
import type { ProbeDefinition, ProbePlan } from "./probe-plan.ts";
import { asEventFilter, asPredicate } from "./zone-filter.ts";

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
const GROUP = PROBE_GROUP;

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
  p.args.includes(" flags=") && typeof plan.zone !== "string" ? asEventFilter(plan.zone) : "";

/** Sets probes, one by one: one that this kernel refuses is left out, and said. */
function setProbes(o: RecordOptions): string[] {
  return [
    `T=${quote(o.tracefs)}`,
    `[ -w "$T/kprobe_events" ] || { echo "pagelife: $T/kprobe_events cannot be written: root, and tracefs mounted?" >&2; exit 2; }`,
    "probes=",
    // What a killed recording has left behind. Probes that are in use cannot be removed.
    `for i in "$T"/instances/${GROUP}-*; do`,
    `  if [ -d "$i" ] && ! kill -0 "\${i##*-}" 2>/dev/null; then echo 0 > "$i/events/enable"; rmdir "$i" 2>/dev/null || echo "pagelife: $i, of a recording that was killed, is in use" >&2; fi`,
    "done",
    `for p in $(sed -n 's,^[pr][0-9]*:\\(${GROUP}/[^ ]*\\) .*,\\1,p' "$T/kprobe_events"); do`,
    `  echo "-:$p" >> "$T/kprobe_events" 2>/dev/null || { echo "pagelife: probe $p is in use: another recording is running" >&2; exit 2; }`,
    "done",
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
    `I="$T/instances/${GROUP}-$$"`,
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
    // At the end, where it is not overwritten, and shows how long the recording was.
    `echo "${RECORDED_ON}$(uname -r)" > "$I/trace_marker" || true`,
    `echo $probes | xargs -n 12 echo "${SWITCHED_ON.trimEnd()}" | while read -r line; do echo "$line" > "$I/trace_marker"; done || true`,
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
      `[ -d "$T/events/${system}" ] && set -- "$@" -e ${system.replace("/", ":")}${filter === "" ? "" : ` -f ${quote(filter)}`}`,
    );
  }
  const command =
    o.command.length > 0 ? o.command.map(quote).join(" ") : o.seconds !== null ? `sleep ${o.seconds}` : "";
  return [
    ...setProbes(o),
    // trace-cmd leaves its size of buffers and its clock behind.
    `size=$(sed 's/.*expanded: \\([0-9]*\\).*/\\1/' "$T/buffer_size_kb")`,
    `clock=$(sed 's/.*\\[\\(.*\\)\\].*/\\1/' "$T/trace_clock")`,
    "cleanup() {",
    "  remove_probes",
    `  echo "$size" > "$T/buffer_size_kb" || true`,
    `  echo "$clock" > "$T/trace_clock" || true`,
    "}",
    "trap cleanup EXIT",
    "trap : INT TERM",
    ...probeLines(plan),
    "set --",
    ...events,
    "status=0",
    `trace-cmd record -q -C mono -b ${o.bufferKb} -o ${quote(o.output)}${o.stacks ? " -T" : ""} "$@" ${command} || status=$?`,
    told(o),
    ...endLines,
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
      `[ -d "$T/events/${system}" ] && set -- "$@" -e ${quote(system.includes("/") ? system.replace("/", ":") : `${system}:*`)}${filter === "" ? "" : ` --filter ${quote(filter)}`}`,
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
    "status=0",
    `${`perf record -a -k mono -m ${pages}${o.stacks ? " -g" : ""} -o ${quote(data)} "$@" ${command}`.trimEnd()} || status=$?`,
    `perf script -i ${quote(data)} -F trace:comm,pid,tid,cpu,time,event,trace${o.stacks ? ",ip,sym" : ""} --show-lost-events --header > ${quote(o.output)}`,
    `rm -f ${quote(data)}`,
    told(o),
    ...endLines,
  ];
}

/**
 * Prints what `perf script` would: an event and its call chain in one piece, as bpftrace prints from each
 * CPU when it likes. For the same reason the output is sorted by time.
 */
function bpftraceScript(plan: ProbePlan, o: RecordOptions): string[] {
  const about = [
    `# os release : ${o.release}`,
    ...wordsOf(plan.probes.map((p) => p.event)).map((names) => `# ${SWITCHED_ON}${names}`),
  ];
  const programs = [`BEGIN { ${about.map((line) => `printf("${line}\\n");`).join(" ")} printf("\\n"); }`];
  for (const p of plan.probes) {
    const site = p.isReturn ? `([unknown] <- ${p.fn})` : `(${p.fn}+0x0/0x0)`;
    const args = p.bpf.map((a) => `${a.name}=${a.format}`);
    const withStack = o.stacks && !p.isReturn;
    const format = [`%s %d [%03d] %llu.%06llu: ${GROUP}:${p.event}: ${site}`, ...args].join(" ");
    const values = ["comm", "tid", "cpu", "nsecs / 1000000000", "(nsecs % 1000000000) / 1000"];
    values.push(...p.bpf.map((a) => a.expression));
    if (withStack) values.push("kstack(perf)");
    const flags = p.bpf.find((a) => a.name === "flags")?.expression;
    const only =
      flags === undefined || typeof plan.zone === "string" ? "" : ` /${asPredicate(plan.zone, flags)}/`;
    programs.push(
      `${p.isReturn ? "kretprobe" : "kprobe"}:${p.fn}${only} { printf("${format}${withStack ? "%s" : ""}\\n\\n", ${values.join(", ")}); }`,
    );
  }
  programs.push(
    `tracepoint:sched:sched_process_exit { printf("%s %d [%03d] %llu.%06llu: sched:sched_process_exit: pid=%d\\n\\n", comm, tid, cpu, nsecs / 1000000000, (nsecs % 1000000000) / 1000, tid); }`,
  );
  if (o.seconds !== null && o.command.length === 0) programs.push(`interval:s:${o.seconds} { exit(); }`);
  const unsorted = quote(`${o.output}.unsorted`);
  // bpftrace runs a command without a shell, and takes words apart at each space.
  const command = o.command.map(quote).join(" ");
  return [
    "run=$(mktemp)",
    `trap 'rm -f "$run" ${unsorted.replace(/'/g, "'\\''")}' EXIT`,
    "trap : INT TERM",
    // bpftrace removes its probes when it ends, however it ends.
    `export BPFTRACE_PERF_RB_PAGES=${powerOfTwo(o.bufferKb / 4)}`,
    "status=0",
    ...(command === "" ? [] : [`echo ${quote(command)} > "$run"`]),
    `bpftrace -q${command === "" ? "" : ` -c "sh $run"`} -o ${unsorted} -e '`,
    ...programs.map((line) => `  ${line.replace(/'/g, "")}`),
    "' || status=$?",
    // One line for each event and its stack, sorted, and apart again.
    `awk 'BEGIN { RS = ""; FS = "\\n"; OFS = "\\001" }
{ time = match($0, /[0-9]+\\.[0-9][0-9][0-9][0-9][0-9][0-9]: /) ? substr($0, RSTART, RLENGTH - 2) : 0; $1 = $1; print time "\\001" $0 }' ${unsorted} |
  sort -s -n -k 1,1 | awk 'BEGIN { FS = "\\001"; OFS = "\\n" } { sub(/^[^\\001]*\\001/, ""); $1 = $1; print $0 "\\n" }' > ${quote(o.output)}`,
    told(o),
    ...endLines,
  ];
}

/** A recorder that is ended by Ctrl-C says so in its status, and has done what it was to do. */
const endLines = ['[ "$status" -le 128 ] || status=0', "exit $status"];

const told = (o: RecordOptions): string =>
  `echo "pagelife: read it with: pagelife trace" ${quote(quote(o.output))} >&2`;

/** perf and bpftrace want buffers of 2^n pages. */
const powerOfTwo = (pages: number): number => 2 ** Math.max(0, Math.floor(Math.log2(Math.max(1, pages))));
