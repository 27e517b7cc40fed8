import type { Code } from "../explore/access.ts";
import type { SuperBlock } from "../kernel/include/linux/fs.ts";
import type { MmStruct } from "../kernel/include/linux/mm_types.ts";
import { mapcountCountsMappings, noMappingOfDeadDevice, referencesAddUp } from "../kernel/invariants.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { type Expectation, type ScenarioThread, scenario } from "../kernel/scenario.ts";
import { createProcess, mapFile } from "../kernel/setup.ts";
import { mappedFile } from "./furniture.ts";

interface World {
  readonly sb: SuperBlock;
  readonly other: MmStruct;
}

/** A file that one process has touched and another maps. */
function* mappedByTwo(k: Kernel): Code<World> {
  const { sb, inode, mm } = yield* mappedFile(k, "xfs", 1);
  yield* k.touch(mm, 0, false);
  const other = createProcess(k, "other", 1);
  yield* mapFile(k, other, inode, 0, 1);
  return { sb, other };
}

const unbind: ScenarioThread<World> = {
  title: "unbind",
  cpu: 0,
  *run(k, { sb }) {
    yield* k.kill_dax(sb);
  },
};

const nobodyIsTold: Expectation = {
  verdict: "invariant",
  rule: "no-mapping-of-dead-device",
  because: "nobody is told, and nothing is unmapped",
};
const frozen: Expectation = {
  verdict: "holds",
  because: "the store waits until the file system is thawed, and it is shut down then",
};

export const killDaxVsReadFault = scenario<World>({
  name: "kill-dax-vs-read-fault",
  question: "Is everything unmapped when the device under XFS has gone?",
  claim:
    "What stops memunmap_pages() while mappings still point at the memory? (Nov 2020, reference/threads/000) " +
    "XFS unmaps all its files when it is told. That a fault may come right after is our reading; a " +
    "prediction, not yet seen on a kernel.",
  closed:
    "A load, which freezing does not hold off. The memory itself stays; its removal is not here, nor that from v6.15 on " +
    "the page that it maps leaves its file (referenced-folio-stays-in-file, in write-into-hole-vs-read-fault): XFS " +
    "removes the entries with the same invalidate_inode_pages2_range().",
  setup: mappedByTwo,
  threads: {
    unbind,
    read: {
      title: "load by another process",
      cpu: 1,
      mm: ({ other }) => other,
      *run(k, { other }) {
        yield* k.touch(other, 0, false);
      },
    },
  },
  invariants: [noMappingOfDeadDevice, mapcountCountsMappings, referencesAddUp],
  expected: {
    "v5.10": nobodyIsTold,
    "v5.18": nobodyIsTold,
    "v6.1": {
      verdict: "invariant",
      rule: "no-mapping-of-dead-device",
      because: "a fault that comes after the unmapping maps it again",
    },
    "v6.12": {
      verdict: "invariant",
      rule: "no-mapping-of-dead-device",
      because: "a fault that comes between the unmapping and the shutdown maps it again",
    },
    "v6.15": {
      verdict: "invariant",
      rule: "no-mapping-of-dead-device",
      because: "a fault that comes between the unmapping and the shutdown maps it again",
    },
    "v7.2": {
      verdict: "invariant",
      rule: "no-mapping-of-dead-device",
      because: "a fault that comes between the unmapping and the shutdown maps it again",
    },
  },
});

export const killDaxVsStore = scenario<World>({
  name: "kill-dax-vs-store",
  question: "And if the fault that comes meanwhile is one for writing?",
  claim:
    "Freezing is to prevent new mappings from being created (comment in XFS). It holds off stores: our reading.",
  closed: "The memory itself stays; its removal is not here.",
  setup: mappedByTwo,
  threads: {
    unbind,
    store: {
      title: "store by another process",
      cpu: 1,
      mm: ({ other }) => other,
      *run(k, { other }) {
        yield* k.touch(other, 0, true);
      },
    },
  },
  invariants: [noMappingOfDeadDevice, mapcountCountsMappings, referencesAddUp],
  expected: {
    "v5.10": nobodyIsTold,
    "v5.18": nobodyIsTold,
    "v6.1": {
      verdict: "invariant",
      rule: "no-mapping-of-dead-device",
      because: "nothing is frozen, and a fault after the unmapping maps it again",
    },
    "v6.12": frozen,
    "v6.15": frozen,
    "v7.2": frozen,
  },
  twins: [
    {
      change: "twin/freeze-holds-nobody-off",
      kernel: "v7.2",
      expect: "invariant",
      rule: "no-mapping-of-dead-device",
      because: "a store that comes between the unmapping and the shutdown maps it again",
    },
  ],
});
