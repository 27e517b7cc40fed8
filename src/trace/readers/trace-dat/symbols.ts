// From an address in the kernel to the name of its function, by the copy of /proc/kallsyms in the
// file. Read only when a stack or a return asks for it.

export class Symbols {
  readonly #text: Buffer;
  #addresses: BigUint64Array | null = null;
  #names: string[] = [];

  constructor(kallsyms: Buffer) {
    this.#text = kallsyms;
  }

  /** The function at an address, or the address itself in hexadecimal. */
  name(address: bigint): string {
    const addresses = this.#addresses ?? this.#load();
    let low = 0;
    let high = addresses.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((addresses[middle] as bigint) <= address) low = middle + 1;
      else high = middle;
    }
    const name = this.#names[low - 1];
    const start = addresses[low - 1];
    if (name === undefined || start === undefined || address - start > 1n << 20n)
      return `0x${address.toString(16)}`;
    return name;
  }

  #load(): BigUint64Array {
    const rows: { readonly address: bigint; readonly name: string }[] = [];
    for (const line of this.#text.toString("latin1").split("\n", 2_000_000)) {
      const m = /^([0-9a-f]{8,16}) [tTwW] (\S+)/.exec(line);
      if (m !== null && !/^0+$/.test(m[1] ?? "0"))
        rows.push({ address: BigInt(`0x${m[1]}`), name: m[2] ?? "" });
    }
    rows.sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : 0));
    this.#addresses = BigUint64Array.from(rows, (r) => r.address);
    this.#names = rows.map((r) => r.name);
    return this.#addresses;
  }
}
