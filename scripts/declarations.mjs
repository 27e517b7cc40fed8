// Declarations, as a list of functions shows them.

/** The sentences of a doc comment before its first blank line. */
export function summary(comment = "") {
  const lines = comment.split("\n").map((l) => l.replace(/^\s*\*? ?/, "").trim());
  const text =
    lines
      .join("\n")
      .trim()
      .split(/\n\s*\n/)[0] ?? "";
  return text
    .replaceAll("\n", " ")
    .replace(/\{@link (\w+)\}/g, "$1")
    .replace(/ @(returns|param).*$/, "");
}

/** What a doc comment says of parameters and of the result: `blocks: how many`. */
export function tags(comment = "") {
  const text = comment.replace(/\s*\n\s*\*? ?/g, " ");
  return [...text.matchAll(/@(param (\w+)|returns)\s+(.*?)(?=\s*@|\s*$)/g)].map(
    ([, , parameter, said]) => `${parameter === undefined ? "Returns" : `\`${parameter}\`:`} ${said}`,
  );
}

/** A name and its type on one line: `f(a: number): Code<void>`. */
export function signature(name, type) {
  const flat = type.replace(/\s+/g, " ").replace(" => ", ": ");
  return `${name}${flat.replace(/: Code$/, ": Code<void>")}`;
}
