import { fail } from "../explore/access.ts";
import type { MmStruct } from "../kernel/include/linux/mm_types.ts";
import { noWarning } from "../kernel/invariants.ts";
import { FOLL_WRITE } from "../kernel/mm/gup-flags.ts";
import { scenario } from "../kernel/scenario.ts";
import { mappedFile } from "./furniture.ts";

interface World {
  readonly mm: MmStruct;
}

export const gupVsTouch = scenario<World>({
  name: "gup-vs-touch",
  question: "Can a page that stays mapped be pinned?",
  claim:
    "Without the base reference a count of 0 makes all get_user_pages() fail: has anyone tested this with " +
    "FSDAX? (Oct 2021, reference/threads/003)",
  closed: "Nobody unmaps.",
  *setup(k) {
    const { mm } = yield* mappedFile(k, "ext4", 1);
    yield* k.touch(mm, 0, true);
    return { mm };
  },
  threads: {
    gup: {
      title: "gup",
      cpu: 0,
      mm: ({ mm }) => mm,
      *run(k) {
        const pages = yield* k.pin_user_pages_fast(0, 1, FOLL_WRITE);
        if (typeof pages === "number")
          fail("gup-succeeds", `pin_user_pages_fast() of a mapped page gives ${pages}`);
        yield* k.unpin_user_pages(pages);
      },
    },
    touch: {
      title: "touch",
      cpu: 1,
      mm: ({ mm }) => mm,
      *run(k, { mm }) {
        yield* k.touch(mm, 0, false);
      },
    },
  },
  invariants: [noWarning],
  expected: {
    "v5.10": { verdict: "holds", because: "the base reference keeps the count of a mapped page above 0" },
    "v5.18": { verdict: "holds", because: "the base reference keeps the count of a mapped page above 0" },
    "v5.18+fsdax-no-extra-reference": {
      verdict: "invariant",
      rule: "no-warning",
      because: "the fast path finds a count of 0 and gives up; the slow path warns, and answers -ENOMEM",
    },
    "v6.1": { verdict: "holds", because: "the base reference keeps the count of a mapped page above 0" },
    "v6.12": { verdict: "holds", because: "the base reference keeps the count of a mapped page above 0" },
    "v6.15": {
      verdict: "holds",
      because: "the mapping holds a reference",
    },
    "v7.2": { verdict: "holds", because: "the mapping holds a reference" },
  },
});
