import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RowTable } from "./row-table.ts";
import { SharedTable, sharedRows, type Table } from "./shared-table.ts";
import { hashOf } from "./state-set.ts";

const WIDTH = 3;

const TABLES: readonly (readonly [name: string, make: () => Table])[] = [
  ["of one search", () => new RowTable(WIDTH, 2)],
  ["that workers share", () => new SharedTable(sharedRows(WIDTH, 4096))],
];

/** Few values, so that rows come again; more rows than a table begins with slots for. */
const someRows = fc.array(fc.tuple(fc.nat(9), fc.nat(9), fc.integer({ min: -2, max: 6 })), {
  maxLength: 600,
});

describe.each(TABLES)("a table %s", (_, make) => {
  it("gives each row one number, in order, whether or not look-ups are announced, and keeps it", () => {
    fc.assert(
      fc.property(someRows, fc.integer({ min: 1, max: 50 }), fc.boolean(), (rows, together, collide) => {
        const table = make();
        const oracle = new Map<string, number>();
        const flat = Int32Array.from(rows.flat());
        // Rows that collide have to be told apart by what they are.
        const hashes = Int32Array.from(rows, ([a], i) => (collide ? a : hashOf(flat, i * WIDTH, WIDTH)));
        for (let first = 0; first < rows.length; first += together) {
          const batch = hashes.subarray(first, first + together);
          table.announce(batch, batch.length);
          batch.forEach((h, i) => {
            const key = String(rows[first + i]);
            const known = oracle.get(key);
            const at = (first + i) * WIDTH;
            expect(table.hasHashed(flat, at, h)).toBe(known !== undefined);
            expect(table.addHashed(flat, at, h)).toBe(known ?? oracle.size);
            expect(table.added).toBe(known === undefined);
            oracle.set(key, known ?? oracle.size);
          });
        }
        for (const [key, number] of oracle) {
          const [block, offset] = [table.block(number), table.offset(number)];
          expect(String(block.slice(offset, offset + WIDTH))).toBe(key);
        }
      }),
      { numRuns: 60 },
    );
  });
});
