import type { Inode } from "../kernel/include/linux/fs.ts";
import type { MmStruct } from "../kernel/include/linux/mm_types.ts";
import {
  mapcountCountsMappings,
  noMappingOfDeadDevice,
  noWarning,
  referencesAddUp,
} from "../kernel/invariants.ts";
import { type Expectation, scenario } from "../kernel/scenario.ts";
import { createDevDax, createProcess, mapFile } from "../kernel/setup.ts";

interface World {
  readonly inode: Inode;
  readonly other: MmStruct;
}

const holds: Expectation = {
  verdict: "holds",
  because:
    "a fault looks whether the device is alive, and maps its memory, in one section of dax_read_lock(); who kills the " +
    "device waits for such sections, and unmaps then",
};

export const killDevDaxVsFault = scenario<World>({
  name: "kill-dev-dax-vs-fault",
  question: "Is everything unmapped when a DAX device has gone?",
  claim:
    "What stops memunmap_pages() while mappings still point at the memory? (Nov 2020, reference/threads/000) Of a DAX " +
    "device nothing does but that it is unmapped first: compare kill-dax-vs-read-fault, where a file system is above.",
  closed: "The memory itself stays; its removal is not here.",
  geometry: { PTRS_PER_PTE: 2, PTRS_PER_PMD: 2 },
  *setup(k) {
    const inode = yield* createDevDax(k, "dax0.0", 2, 2);
    const mm = createProcess(k, "mm", 2);
    yield* mapFile(k, mm, inode, 0, 2);
    yield* k.touch(mm, 0, true);
    const other = createProcess(k, "other", 2);
    yield* mapFile(k, other, inode, 0, 2);
    return { inode, other };
  },
  threads: {
    unbind: {
      title: "unbind",
      cpu: 0,
      *run(k, { inode }) {
        yield* k.kill_dev_dax(inode);
      },
    },
    touch: {
      title: "access by another process",
      cpu: 1,
      mm: ({ other }) => other,
      *run(k, { other }) {
        yield* k.touch(other, 0, true);
      },
    },
  },
  invariants: [noMappingOfDeadDevice, mapcountCountsMappings, referencesAddUp, noWarning],
  expected: {
    "v5.10": holds,
    "v5.18": holds,
    "v6.1": holds,
    "v6.12": holds,
    "v6.15": holds,
    "v7.2": holds,
  },
  twins: [
    {
      change: "twin/device-fault-outside-of-srcu",
      kernel: "v7.2",
      expect: "invariant",
      rule: "no-mapping-of-dead-device",
      because: "the fault finds the device alive, and maps its memory when all has been unmapped",
    },
    {
      change: "twin/device-fault-outside-of-srcu",
      kernel: "v6.12",
      expect: "invariant",
      rule: "no-mapping-of-dead-device",
      because: "the fault finds the device alive, and maps its memory when all has been unmapped",
    },
    {
      change: "twin/kill-dev-dax-leaves-mappings",
      kernel: "v6.12",
      expect: "invariant",
      rule: "no-mapping-of-dead-device",
      because: "what was mapped before stays",
    },
  ],
});
