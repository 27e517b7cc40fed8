// Entries of files that are deleted while their pages are held: blocks that can be given to another file while
// somebody still reads or writes them. The kernel warns of it, too (fs/dax.c:dax_disassociate_entry()).
import type { KernelEvent, Task } from "../../events/event.ts";
import { groupHolders, type HolderGroup } from "./holder-groups.ts";
import type { PageState } from "./page-state.ts";
import type { PageTracker } from "./pages.ts";

/** What one task deleted while it was held. */
export interface DeletedEntries {
  readonly task: Task;
  readonly since: number;
  readonly where: number;
  readonly cpu: number;
  readonly mapping: string;
  readonly pages: PageState[];
  /** Losses of events before the first of the holders was taken. */
  readonly doubtful: boolean;
  groups: readonly HolderGroup[];
}

const MAX_DELETED = 256;
const MAX_PAGES = 1000;

export class DeletedEntryTracker {
  readonly deleted: DeletedEntries[] = [];
  readonly #pages: PageTracker;

  constructor(pages: PageTracker) {
    this.#pages = pages;
  }

  event(e: KernelEvent): void {
    if (e.mapping === "" || Number.isNaN(e.index)) return;
    for (const page of this.#pages.held) {
      if (page.index !== e.index || page.mapping !== e.mapping || page.external === 0) continue;
      this.#note(page, e);
    }
  }

  #note(page: PageState, e: KernelEvent): void {
    let known = this.deleted.findLast((d) => d.task === e.task && d.mapping === e.mapping);
    if (known === undefined) {
      if (this.deleted.length >= MAX_DELETED) return;
      known = {
        task: e.task,
        since: e.time,
        where: e.where,
        cpu: e.cpu,
        mapping: e.mapping,
        pages: [],
        doubtful: page.holders.some((h) => h.losses !== this.#pages.losses),
        groups: [],
      };
      this.deleted.push(known);
    }
    if (known.pages.length >= MAX_PAGES || known.pages.includes(page)) return;
    known.pages.push(page);
    known.groups = groupHolders(known.pages);
  }
}
