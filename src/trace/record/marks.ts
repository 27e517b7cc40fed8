// What a recording script writes into its recording about itself, and how it is read again: which kernel it
// is of, and which probes were set. A probe that was set and left no event tells that nothing happened; of
// one that was not set, nothing is known.

/** The group of our probes: events of it were switched on by a script of ours. */
export const PROBE_GROUP = "pagelife";

/** Stands before what `uname -r` printed. */
export const RECORDED_ON = "pagelife: recorded on ";

/** Stands before names of probes that were set. */
export const SWITCHED_ON = "pagelife: switched on ";

/** Names that fit on one line: a marker of more than a kilobyte is cut by older kernels. */
const LINE = 500;

/** The names on as many lines as they need. */
export function wordsOf(names: readonly string[]): string[] {
  const lines: string[] = [];
  let line = "";
  for (const name of names) {
    if (line.length + name.length >= LINE) {
      lines.push(line);
      line = "";
    }
    line += line === "" ? name : ` ${name}`;
  }
  if (line !== "") lines.push(line);
  return lines;
}

/** The names in a line that says which probes were set; none if it says something else. */
export function switchedOn(text: string): string[] {
  const at = text.indexOf(SWITCHED_ON);
  return at < 0 ? [] : (text.slice(at + SWITCHED_ON.length).match(/\w+/g) ?? []);
}
