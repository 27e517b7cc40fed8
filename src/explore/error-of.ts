// An error that came out of the code of a scenario, told to the person who wrote it: who ran, and the line.
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { PagelifeBug } from "../base/assert.ts";
import { PagelifeError } from "../base/errors.ts";

/** Where our own code lies: `src`, or `dist`. */
const ours = dirname(dirname(fileURLToPath(import.meta.url)));

/**
 * An error as it is to be thrown on.
 *
 * @param who  Who ran: `thread punch`.
 * @param near Where, if the error itself does not know its place.
 */
export function errorOf(who: string, error: unknown, near: string | null): Error {
  if (error instanceof PagelifeBug) return error;
  if (error instanceof PagelifeError && error.code !== "PL210") return error;
  const place = placeOf(error) ?? near;
  const at = place === null ? "" : ` (at ${place})`;
  if (error instanceof PagelifeError) {
    return new PagelifeError(error.code, `${who}: ${error.detail}${at}`, { cause: error });
  }
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  return new PagelifeError("PL207", `${who} threw ${name}: ${message}${at}`, { cause: error });
}

/** `file:line` of the innermost line of the user's in an error's stack; if there is none, of ours. */
function placeOf(error: unknown): string | null {
  const stack = error instanceof Error ? (error.stack ?? "") : "";
  const places = stack.split("\n").flatMap((line) => {
    const place = /^\s+at .*?\(?((?:file:\/\/)?\/[^()]*?):(\d+):\d+\)?$/.exec(line);
    return place === null ? [] : [{ file: place[1]?.replace("file://", "") ?? "", line: place[2] }];
  });
  const isOurs = (file: string): boolean => file.startsWith(`${ours}/`) || file.includes("/node_modules/");
  const at = places.find(({ file }) => !isOurs(file)) ?? places[0];
  return at === undefined ? null : `${at.file}:${at.line}`;
}
