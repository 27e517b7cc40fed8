// Recorded workloads of DAX devices.
import type { Pfn } from "../../../src/base/brand.ts";
import { pfn as toPfn } from "../../../src/base/brand.ts";
import type { Page } from "../../../src/kernel/include/linux/mm_types.ts";
import { FOLL_LONGTERM, FOLL_WRITE } from "../../../src/kernel/mm/gup-flags.ts";
import { createDevDax, createProcess, mapFile } from "../../../src/kernel/setup.ts";
import type { Replay } from "./replay.ts";
import { taken, type Workload } from "./workload.ts";

/** Registers pages with io_uring, which keeps one pin of those that it takes of a folio. */
function register(run: Replay, pages: number): readonly Page[] {
  const { k } = run;
  const pinned = run.do(taken(k.pin_user_pages_fast(0, pages, FOLL_LONGTERM | FOLL_WRITE)));
  run.do(k.unpin_user_pages(pinned.slice(1)));
  return pinned.slice(0, 1);
}

/** A DAX device of two folios, mapped twice; the first folio is registered, then a page of it. */
export const devdax: Workload = (run) => {
  const { k } = run;
  const first = toPfn(0x70600);
  const at = (page: number): Pfn => toPfn(first + page);
  const inode = run.do(createDevDax(k, "dax2.0", 1024, 512, first));
  const [p, q] = run.make(() => [createProcess(k, "p", 1024), createProcess(k, "q", 1024)]);
  k.current.mm = p;
  const both = run.do(mapFile(k, p, inode, 0, 1024));
  run.do(k.touch(p, 0, true));
  run.look("devdax head", first);
  run.look("devdax tail1", at(1));
  run.do(k.touch(p, 512, true));
  run.look("devdax 2nd 2M", at(512));
  const second = run.do(mapFile(k, q, inode, 0, 1024));
  run.do(k.touch(q, 0, false));
  run.look("devdax second mapping", first);
  const whole = register(run, 512);
  run.look("registered head", first);
  run.look("registered tail1", at(1));
  run.look("registered tail511", at(511));
  run.do(k.munmap(second));
  run.look("registered, q unmapped", first);
  run.do(k.unpin_user_pages(whole));
  run.look("unregistered", first);
  run.look("unregistered t1", at(1));
  const page = register(run, 1);
  run.look("registered 4K head", first);
  run.look("registered 4K t1", at(1));
  run.do(k.munmap(both));
  run.look("munmapped while registered", first);
  run.do(k.unpin_user_pages(page));
  run.look("ring closed", first);
};

/** A DAX device with a registered page goes: up to where its memory is unmapped. v6.1 registers no such page. */
export const unbindDevdax: Workload = (run, { release }) => {
  const { k } = run;
  const first = toPfn(0x70600);
  const inode = run.do(createDevDax(k, "dax2.0", 512, 512, first));
  const p = run.make(() => createProcess(k, "p", 512));
  k.current.mm = p;
  run.do(mapFile(k, p, inode, 0, 512));
  run.do(k.touch(p, 0, true));
  run.look("mapped", first);
  if (release !== "v6.1") register(run, 1);
  run.do(k.kill_dev_dax(inode));
};
