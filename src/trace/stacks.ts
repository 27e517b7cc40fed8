// Call stacks, kept once each. The id is made of function names only, so that the same path has the
// same id in every recording, kernel build and tool that printed it.
import type { Stack } from "./sink.ts";

/** 48 bits of FNV-1a over the text, as 12 hexadecimal digits: for ids, not against attackers. */
export function stableId(text: string): string {
  let a = 0x811c9dc5;
  let b = 0x01000193;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    a = Math.imul(a ^ c, 0x01000193);
    b = Math.imul(b ^ c, 0x85ebca6b);
    b ^= b >>> 13;
  }
  return (a >>> 0).toString(16).padStart(8, "0") + ((b >>> 0) & 0xffff).toString(16).padStart(4, "0");
}

// Functions of the tracer itself, which stand above the function of interest.
const TRACER =
  /^(trace_event_raw_event_|perf_trace_|__traceiter_|__page_ref_|kprobe_|ftrace_|aggr_pre|opt_pre|optimized_callback|kretprobe|arch_rethook|fprobe_|__trace_|trace_event_buffer_|0x|\[unknown)/;

/** `gup_fast+0x10/0x20 [mod]` → `gup_fast`; compiler suffixes such as `.isra.0` stay off, too. */
export function functionName(text: string): string {
  const name = text
    .trim()
    .replace(/[+\s(].*$/s, "")
    .replace(/\.(isra|part|constprop|cold|llvm)\b.*$/, "");
  return name.slice(0, 128).replace(/[^\w.$~<>:]/g, "?");
}

/** At most this many different stacks are kept; later ones share one entry that says so. */
const MAX_STACKS = 65_536;
const MAX_FRAMES = 64;

export class StackTable {
  readonly #byText = new Map<string, Stack>();
  readonly #overflow: Stack = { id: "too-many", frames: ["(more different stacks than are kept)"] };

  /** @param raw Frames as printed, innermost first. */
  get(raw: readonly string[]): Stack {
    const text = raw.join("\n");
    let stack = this.#byText.get(text);
    if (stack !== undefined) return stack;
    if (this.#byText.size >= MAX_STACKS) return this.#overflow;
    let frames = raw.slice(0, MAX_FRAMES).map(functionName);
    while (frames.length > 1 && TRACER.test(frames[0] ?? "")) frames = frames.slice(1);
    stack = { id: stableId(frames.join("\n")), frames };
    this.#byText.set(text, stack);
    return stack;
  }
}
