// Two texts beside each other, for a wide terminal or a mail.

/** @param width Columns of the left text; what is longer is cut. */
export function sideBySide(left: string, right: string, width: number): string {
  const a = left.trimEnd().split("\n");
  const b = right.trimEnd().split("\n");
  const lines: string[] = [];
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    lines.push(`${(a[i] ?? "").slice(0, width).padEnd(width)} | ${b[i] ?? ""}`.trimEnd());
  }
  return `${lines.join("\n")}\n`;
}
