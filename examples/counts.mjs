// What the first page counts on each kernel as one operation after another is done to it: node examples/counts.mjs

import { boot, createFile, createProcess, FOLL_WRITE, mapFile, mountDax } from "pagelife/kernel";
import { kernels } from "pagelife/kernels";

for (const kernel of kernels) {
  const { run, counts } = boot(kernel);
  const said = [];
  const say = (what) => {
    const { refcount, mapcount, pincount } = counts(0x40);
    said.push(`${what} ${refcount}/${mapcount}/${pincount}`);
  };
  const mm = run(function* (k) {
    const mm = createProcess(k, "mm", 1);
    const inode = yield* createFile(k, mountDax(k, 1), "file", 1);
    yield* mapFile(k, mm, inode, 0, 1);
    return mm;
  });
  say("new");
  run((k) => k.touch(mm, 0, true), mm);
  say("mapped");
  const pages = run((k) => k.pin_user_pages_fast(0, 1, FOLL_WRITE), mm);
  say("pinned");
  run((k) => k.unpin_user_pages(pages), mm);
  say("unpinned");
  console.log(`${kernel.release}: ${said.join(", ")}`);
}
