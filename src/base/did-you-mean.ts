// A suggestion for a name that is not known.

/** ` Did you mean NAME?`, if one of the names is close; else nothing. */
export function didYouMean(name: string, names: readonly string[]): string {
  const [close] = names.map((n) => ({ n, d: distance(n, name) })).sort((a, b) => a.d - b.d);
  return close !== undefined && close.d <= Math.min(4, name.length - 1) ? ` Did you mean ${close.n}?` : "";
}

/** Levenshtein's distance, for suggestions. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
