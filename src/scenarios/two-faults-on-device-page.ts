import type { MmStruct } from "../kernel/include/linux/mm_types.ts";
import {
  chargesAddUp,
  mapcountCountsMappings,
  noWarning,
  pooledPageIsUnused,
  referencesAddUp,
} from "../kernel/invariants.ts";
import { type Expectation, type ScenarioThread, scenario } from "../kernel/scenario.ts";
import { addRam, createProcess } from "../kernel/setup.ts";
import { mapPrivate } from "../kernel/setup-device.ts";

interface World {
  readonly mm: MmStruct;
}

const store = (cpu: number): ScenarioThread<World> => ({
  title: "store",
  cpu,
  mm: ({ mm }) => mm,
  *run(k, { mm }) {
    yield* k.store(mm, 0);
  },
});

const keepEachOther: Expectation = {
  verdict: "livelock",
  rule: "access-returns",
  because:
    "each fault holds a reference while the driver moves the page, and folio_migrate_mapping() moves none with a reference " +
    "that it does not know; in lockstep both give up, and try again",
};

export const twoFaultsOnDevicePage = scenario<World>({
  name: "two-faults-on-device-page",
  question: "Do two processors that want one page of private device memory both get on?",
  claim:
    "Two threads that fault on one page at once keep each other from moving it (changelog of mm/migrate: Trylock device page " +
    "in do_swap_page).",
  closed: "Nobody else has the page.",
  *setup(k) {
    yield* addRam(k, 2);
    const mm = createProcess(k, "mm", 1);
    yield* mapPrivate(k, mm, 0);
    return { mm };
  },
  threads: { first: store(0), second: store(1) },
  invariants: [referencesAddUp, mapcountCountsMappings, chargesAddUp, pooledPageIsUnused, noWarning],
  expected: {
    "v5.10": {
      verdict: "livelock",
      rule: "access-returns",
      because:
        "who waits for the move takes a reference to begin (migration_entry_wait()), for which migrate_page_move_mapping() " +
        "moves nothing; that migrate_vma_check_page() lets it pass does not help",
    },
    "v5.18": {
      verdict: "holds",
      because:
        "mm/migrate.c: rework migration_entry_wait() to not take a pageref (v5.17); and a fault has no reference of the page " +
        "yet, which is another bug (CVE-2022-3523)",
    },
    "v5.18+device-private-fault-ref": keepEachOther,
    "v6.1": keepEachOther,
    "v6.12": keepEachOther,
    "v6.15": {
      verdict: "holds",
      because:
        "mm/migrate: Trylock device page in do_swap_page: who finds it locked faults again without sleeping, until the first, " +
        "whose turn at the page-table lock comes, has moved it",
    },
    "v7.2": {
      verdict: "holds",
      because:
        "mm/migrate: Trylock device page in do_swap_page (v6.15), and then the fault that finds the page locked waits: one " +
        "moves it",
    },
  },
});
