// A child that forks in its turn: setup may make both processes before anybody has forked.
import { expect, it } from "vitest";
import { kernels } from "../../src/changes/kernels.ts";
import { boot } from "../../src/kernel/sequential.ts";
import { createChild, createFile, createProcess, mapFile, mountDax } from "../../src/kernel/setup.ts";

it.each(kernels)("$release: a child of a child maps what the first maps", (version) => {
  const machine = boot(version);
  const faults = machine.run(function* (k) {
    const inode = yield* createFile(k, mountDax(k, 2), "file", 2);
    const first = createProcess(k, "first", 3);
    yield* mapFile(k, first, inode, 1, 2);
    const second = yield* createChild(k, first, "second");
    const third = yield* createChild(k, second, "third");
    yield* k.dup_mmap(first, second);
    yield* k.dup_mmap(second, third);
    const one = yield* k.touch(third, 1, true);
    const two = yield* k.touch(third, 2, true);
    return [one, two];
  });
  expect(faults).toEqual(["NOPAGE", "NOPAGE"]);
});
