// What a cell may hold, and the identity of modelled objects. Values are compared by structure:
// two that are written alike are one value, so `===` on what an operation hands back is equality.
import { assert } from "../base/assert.ts";
import { PagelifeError } from "../base/errors.ts";

/** Names a modelled object or cell in keys: (kind, index) in order of creation. */
export const identity: unique symbol = Symbol.for("pagelife.identity");

/** Something that setup made and that lives as long as the program: equal only to itself. */
export interface Modelled {
  readonly [identity]: string;
}

/** What a cell may hold. Objects and arrays are plain, frozen data; they may name modelled objects. */
export type Value =
  | number
  | string
  | boolean
  | null
  | undefined
  | Modelled
  | readonly Value[]
  | { readonly [field: string]: Value };

/** How a function in an operation or a local is known: its site, and the constants that it captures. */
export interface FunctionTag {
  readonly site: string;
  readonly captures: () => readonly unknown[];
  /** The captured name that may change, if there is one: such a function has no identity. */
  readonly unstable?: string;
}

/** Under which a function literal has its tag; written by instrumented code (`frames.ts`). */
const tagged: unique symbol = Symbol("pagelife.tagged");

interface Tagged {
  [tagged]?: FunctionTag;
}

/** Gives a function literal its tag. A property: a WeakMap of all functions that are ever made is slow to collect. */
export function tagFunction(literal: object, tag: FunctionTag): void {
  (literal as Tagged)[tagged] = tag;
}

/**
 * Writes a value so that two values have the same text exactly when they are the same value.
 *
 * @param where Completes "… in", for the error if the value has no written form.
 * @throws {@link PagelifeError} PL204 for a value whose state cannot be seen: a Map, a class
 *   instance that is not a modelled object, a function that was not instrumented.
 */
export function encode(value: unknown, where: string): string {
  switch (typeof value) {
    case "number":
      return Object.is(value, -0) ? "-0" : `${value}`;
    case "string":
      return JSON.stringify(value);
    case "boolean":
      return value ? "T" : "F";
    case "undefined":
      return "_";
    case "bigint":
      return `${value}n`;
    case "function":
      return encodeFunction(value, where);
    case "symbol":
      throw new PagelifeError("PL204", `a symbol in ${where}; use a string`);
    case "object":
      return value === null ? "N" : encodeObject(value, where);
  }
}

function encodeObject(value: object, where: string): string {
  const id = (value as Partial<Modelled>)[identity];
  if (id !== undefined) return `#${id}`;
  if (Array.isArray(value)) return `[${value.map((v) => encode(v, where)).join()}]`;
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) {
    const name = prototype?.constructor?.name ?? "object";
    throw new PagelifeError(
      "PL204",
      `a ${name} in ${where}: only plain data and modelled objects can be part of a state`,
    );
  }
  const fields = Object.keys(value)
    .sort()
    .map(
      (f) =>
        `${/^\w+$/.test(f) ? f : JSON.stringify(f)}:${encode((value as Record<string, unknown>)[f], where)}`,
    );
  return `{${fields.join()}}`;
}

function encodeFunction(value: object, where: string): string {
  const tag = (value as Tagged)[tagged];
  const name = (value as { name?: string }).name || "anonymous";
  if (tag === undefined) {
    throw new PagelifeError(
      "PL203",
      `function ${name} in ${where} comes from code that was not instrumented, so it has no identity`,
    );
  }
  if (tag.unstable !== undefined) {
    throw new PagelifeError(
      "PL205",
      `the function at ${tag.site} captures "${tag.unstable}", which may change; copy it to a const first`,
    );
  }
  return `=>${tag.site}(${tag
    .captures()
    .map((v) => encode(v, where))
    .join()})`;
}

/** Gives every distinct value a small integer, so that states are rows of integers. */
export class Interner {
  readonly #ids = new Map<string, number>();
  readonly #integers = new Map<number, number>();
  readonly #values: Value[] = [];

  /** The id of a value: the same for all values that are written alike. */
  id(value: Value): number {
    if (typeof value === "number" && Number.isInteger(value) && !Object.is(value, -0)) {
      let id = this.#integers.get(value);
      if (id === undefined) {
        id = this.#values.push(value) - 1;
        this.#integers.set(value, id);
      }
      return id;
    }
    const key = encode(value, "the value of a cell");
    let id = this.#ids.get(key);
    if (id === undefined) {
      id = this.#values.push(freeze(value)) - 1;
      this.#ids.set(key, id);
    }
    return id;
  }

  /** The value of an id, the same object every time. */
  value(id: number): Value {
    assert(id >= 0 && id < this.#values.length, `no value has id ${id}`);
    return this.#values[id];
  }

  /** The one object that stands for all values written like this one. */
  canonical(value: Value): Value {
    return typeof value === "object" && value !== null ? this.value(this.id(value)) : value;
  }

  get size(): number {
    return this.#values.length;
  }
}

function freeze<T extends Value>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  if ((value as Partial<Modelled>)[identity] !== undefined) return value;
  for (const inner of Object.values(value)) freeze(inner as Value);
  return Object.freeze(value);
}
