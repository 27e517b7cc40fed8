// The kernel's own type information, /sys/kernel/btf/vmlinux: where fields lie in struct page, which
// argument of a function is which, and the value of an enumerator.
// Source: Documentation/bpf/btf.rst

const MAGIC = 0xeb9f;
const MAX_TYPES = 2_000_000;

const KIND = {
  int: 1,
  array: 3,
  struct: 4,
  union: 5,
  enum: 6,
  typedef: 8,
  volatile: 9,
  const: 10,
  restrict: 11,
  func: 12,
  proto: 13,
  var: 14,
  datasec: 15,
  declTag: 17,
  typeTag: 18,
  enum64: 19,
} as const;

/** A member of a struct, its offset in bytes from the start of the struct that was asked for. */
export interface Member {
  readonly name: string;
  readonly offset: number;
  /** Bytes; 0 if not known. */
  readonly size: number;
}

export class Btf {
  readonly #b: Buffer;
  readonly #strings: number;
  /** Place of each type in the file, by its number. */
  readonly #types: number[] = [0];
  readonly #byName = new Map<string, number[]>();

  /** @returns null if the bytes are not BTF of this machine's byte order. */
  static parse(bytes: Buffer): Btf | null {
    if (bytes.length < 24 || bytes.readUInt16LE(0) !== MAGIC) return null;
    try {
      return new Btf(bytes);
    } catch (error) {
      if (error instanceof RangeError) return null;
      throw error;
    }
  }

  private constructor(b: Buffer) {
    this.#b = b;
    const header = b.readUInt32LE(4);
    const typesAt = header + b.readUInt32LE(8);
    const typesEnd = typesAt + b.readUInt32LE(12);
    this.#strings = header + b.readUInt32LE(16);
    for (let p = typesAt; p + 12 <= typesEnd && this.#types.length < MAX_TYPES; ) {
      const id = this.#types.length;
      this.#types.push(p);
      const info = b.readUInt32LE(p + 4);
      const kind = (info >>> 24) & 31;
      const members = info & 0xffff;
      if (kind === KIND.struct || kind === KIND.func || kind === KIND.enum || kind === KIND.enum64) {
        const name = this.#string(b.readUInt32LE(p));
        if (name !== "") this.#byName.set(name, [...(this.#byName.get(name) ?? []), id]);
      }
      p += 12 + extra(kind, members);
    }
  }

  /** The members of a struct, those of unnamed unions and structs in it included; null if there is none. */
  struct(name: string): Member[] | null {
    const id = this.#find(name, KIND.struct);
    if (id === null) return null;
    const members: Member[] = [];
    this.#members(id, 0, members, 0);
    return members;
  }

  /** The names of a function's parameters, in order; null if it is not known. */
  parameters(name: string): string[] | null {
    const id = this.#find(name, KIND.func);
    if (id === null) return null;
    const proto = this.#b.readUInt32LE(this.#at(id) + 8);
    const at = this.#at(proto);
    if (this.#kind(proto) !== KIND.proto) return null;
    const count = this.#b.readUInt32LE(at + 4) & 0xffff;
    return Array.from({ length: count }, (_, i) => this.#string(this.#b.readUInt32LE(at + 12 + i * 8)));
  }

  /** The value of an enumerator of an enum; null if there is none. */
  enumerator(enumName: string, name: string): number | null {
    const id = this.#find(enumName, KIND.enum);
    if (id === null) return null;
    const at = this.#at(id);
    const count = this.#b.readUInt32LE(at + 4) & 0xffff;
    for (let i = 0; i < count; i++) {
      const p = at + 12 + i * 8;
      if (this.#string(this.#b.readUInt32LE(p)) === name) return this.#b.readInt32LE(p + 4);
    }
    return null;
  }

  #members(id: number, base: number, out: Member[], depth: number): void {
    if (depth > 16) return;
    const at = this.#at(id);
    const info = this.#b.readUInt32LE(at + 4);
    const count = info & 0xffff;
    const bitfields = info >>> 31 === 1;
    for (let i = 0; i < count; i++) {
      const p = at + 12 + i * 12;
      const name = this.#string(this.#b.readUInt32LE(p));
      const type = this.#b.readUInt32LE(p + 4);
      const raw = this.#b.readUInt32LE(p + 8);
      const offset = base + (bitfields ? raw & 0xffffff : raw) / 8;
      const plain = this.#strip(type);
      const kind = this.#kind(plain);
      if (name === "" && (kind === KIND.struct || kind === KIND.union))
        this.#members(plain, offset, out, depth + 1);
      else
        out.push({
          name,
          offset,
          size: kind === KIND.int || kind === KIND.struct ? this.#b.readUInt32LE(this.#at(plain) + 8) : 0,
        });
    }
  }

  #strip(id: number): number {
    let t = id;
    for (let i = 0; i < 32; i++) {
      const kind = this.#kind(t);
      if (
        kind !== KIND.typedef &&
        kind !== KIND.const &&
        kind !== KIND.volatile &&
        kind !== KIND.restrict &&
        kind !== KIND.typeTag
      )
        return t;
      t = this.#b.readUInt32LE(this.#at(t) + 8);
    }
    return t;
  }

  #at(id: number): number {
    return this.#types[id] ?? 0;
  }

  #kind(id: number): number {
    return id === 0 ? 0 : (this.#b.readUInt32LE(this.#at(id) + 4) >>> 24) & 31;
  }

  #find(name: string, kind: number): number | null {
    return this.#byName.get(name)?.find((id) => this.#kind(id) === kind) ?? null;
  }

  #string(offset: number): string {
    const from = this.#strings + offset;
    const end = this.#b.indexOf(0, from);
    return end < 0 ? "" : this.#b.toString("latin1", from, Math.min(end, from + 128));
  }
}

/** Bytes that follow a type's twelve. */
function extra(kind: number, members: number): number {
  switch (kind) {
    case KIND.int:
    case KIND.var:
    case KIND.declTag:
      return 4;
    case KIND.array:
      return 12;
    case KIND.struct:
    case KIND.union:
    case KIND.datasec:
    case KIND.enum64:
      return members * 12;
    case KIND.enum:
    case KIND.proto:
      return members * 8;
    default:
      return 0;
  }
}
