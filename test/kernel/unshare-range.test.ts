// fallocate(FALLOC_FL_UNSHARE_RANGE) of a file whose blocks another has, too.

import { expect, it } from "vitest";
import { kernels } from "../../src/changes/kernels.ts";
import { ENOSPC } from "../../src/kernel/include/asm-generic/errno-base.ts";
import { FALLOC_FL_UNSHARE_RANGE } from "../../src/kernel/include/linux/fs.ts";
import { boot } from "../../src/kernel/sequential.ts";
import { createFile, mountDax } from "../../src/kernel/setup.ts";
import { mayFail } from "../../src/kernel/setup-errors.ts";

const withReflink = kernels.filter(({ release }) => !["v5.10", "v5.18"].includes(release));

it.each(withReflink)("$release: unsharing without a free block is -ENOSPC", (version) => {
  const unshare = (blocks: number): unknown =>
    boot(version).run(function* (k) {
      const sb = mountDax(k, blocks, "xfs");
      const one = yield* createFile(k, sb, "one", 2);
      const two = yield* createFile(k, sb, "two", 2, 0);
      yield* k.vfs_clone_file_range(one, two, 2);
      return yield* mayFail<unknown>(k.vfs_fallocate(one, FALLOC_FL_UNSHARE_RANGE, 0, 2));
    });
  // A copy of the first page alone is no success, either.
  expect([4, 3, 2].map(unshare)).toEqual([0, -ENOSPC, -ENOSPC]);
});
