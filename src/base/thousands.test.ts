import { expect, it } from "vitest";
import { thousands } from "./thousands.ts";

it.each([
  [0, "0"],
  [999, "999"],
  [1000, "1,000"],
  [12_345, "12,345"],
  [1_234_567, "1,234,567"],
  [-1000, "-1,000"],
])("writes %d as %s", (n, text) => {
  expect(thousands(n)).toBe(text);
  expect(n.toLocaleString("en")).toBe(text);
});
