import { describe, expect, it } from "vitest";
import { growSlots, SharedTable, sharedRows } from "./shared-table.ts";
import { hashOf } from "./state-set.ts";

const WIDTH = 3;
const rowOf = (n: number): Int32Array => Int32Array.of(n % 7, n, n >> 3);
const add = (table: SharedTable, n: number): number =>
  table.addHashed(rowOf(n), 0, hashOf(rowOf(n), 0, WIDTH));
const has = (table: SharedTable, n: number): boolean =>
  table.hasHashed(rowOf(n), 0, hashOf(rowOf(n), 0, WIDTH));

describe("a table that several workers share", () => {
  it("knows every row once, whoever added it, before and after it has grown", () => {
    // More slots than a table begins with, so that there is something to grow to.
    const shared = sharedRows(WIDTH, 2_000_000);
    const tables = [new SharedTable(shared), new SharedTable(shared)] as const;
    const [a, b] = tables;
    const numbers = Array.from({ length: 1000 }, (_, n) => add(n % 3 === 0 ? a : b, n));
    expect(new Set(numbers).size).toBe(1000);

    for (const t of tables) t.rest();
    growSlots(shared);
    for (const t of tables) t.reload();

    expect(numbers.map((_, n) => add(n % 2 === 0 ? a : b, n))).toEqual(numbers);
    expect([has(a, 1000), has(b, 1000)]).toEqual([false, false]);
    expect(add(b, 1000)).toBe(add(a, 1000));
    for (const t of tables) t.rest();
    expect(a.size).toBe(1001);
  });
});
