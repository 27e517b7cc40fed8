// The description of an event's bytes that the kernel gives in events/SYSTEM/EVENT/format, parsed and
// not assumed.
//
//     name: page_ref_mod
//     ID: 412
//     format:
//     	field:unsigned short common_type;	offset:0;	size:2;	signed:0;
//     	field:int count;	offset:24;	size:4;	signed:1;

export interface EventField {
  readonly name: string;
  readonly type: string;
  readonly offset: number;
  readonly size: number;
  readonly signed: boolean;
  /** `__data_loc`: offset and length of the value stand in the field. `__rel_loc`: after the field. */
  readonly located: "data" | "relative" | null;
  readonly array: boolean;
}

export interface EventFormat {
  readonly system: string;
  readonly name: string;
  readonly id: number;
  readonly fields: readonly EventField[];
}

const FIELD = /^\s*field:(.*?);\s*offset:(\d+);\s*size:(\d+);(?:\s*signed:(\d+);)?/;

/** @returns null if the text is no description of an event. */
export function parseEventFormat(system: string, text: string): EventFormat | null {
  const name = /^name: (\S+)/m.exec(text)?.[1];
  const id = /^ID: (\d+)/m.exec(text)?.[1];
  if (name === undefined || id === undefined) return null;
  return { system, name, id: Number(id), fields: parseFields(text) };
}

/** Lines of `field:…`, as in event formats and in header_page. */
export function parseFields(text: string): EventField[] {
  const fields: EventField[] = [];
  for (const line of text.split("\n")) {
    const m = FIELD.exec(line);
    if (m === null || fields.length >= 256) continue;
    const [, declaration = "", offset = "0", size = "0", signed = "0"] = m;
    const located = /\b__data_loc\b/.test(declaration)
      ? "data"
      : /\b__rel_loc\b/.test(declaration)
        ? "relative"
        : null;
    const array = /\[[^\]]*\]/.test(declaration);
    const fieldName = /([A-Za-z_]\w*)\s*(?:\[[^\]]*\])?\s*$/.exec(declaration)?.[1];
    if (fieldName === undefined) continue;
    fields.push({
      name: fieldName,
      type: declaration.slice(0, 80),
      offset: Number(offset),
      size: Number(size),
      signed: signed === "1",
      located,
      array,
    });
  }
  return fields;
}
