// Devices that are taken away: who begins it, how long memunmap_pages() takes, and who still refers
// to pages whose struct page is about to go.
import type { KernelEvent, Task } from "../../events/event.ts";
import { groupHolders, type HolderGroup } from "./holder-groups.ts";
import type { PageState } from "./page-state.ts";
import type { PageTracker } from "./pages.ts";

export interface Removal {
  readonly task: Task;
  readonly killedAt: number | null;
  readonly killedBy: string;
  readonly since: number;
  readonly where: number;
  readonly cpu: number;
  readonly pgmap: string;
  until: number | null;
  untilWhere: number;
  releasedAt: number | null;
  /** Held from outside when memunmap_pages() returned (or at the end, if it did not). */
  holders: readonly HolderGroup[];
  /** Mapped in page tables at that moment, by the kernel's own count. */
  mapped: readonly number[];
  /** Device-private and P2PDMA pages that are handed out: each holds a reference to the pgmap. */
  inUse: readonly number[];
  losses: number;
}

/** A page that somebody still used after its struct page was gone. */
export interface UseAfterRemoval {
  readonly removal: Removal;
  readonly pfn: number;
  readonly time: number;
  readonly where: number;
  readonly cpu: number;
  readonly task: Task;
  readonly event: string;
}

const MAX_REMOVALS = 256;

export class RemovalTracker {
  readonly removals: Removal[] = [];
  readonly uses: UseAfterRemoval[] = [];
  readonly #pages: PageTracker;
  readonly #kills = new Map<Task, { readonly time: number; readonly fn: string }>();
  readonly #removed = new Map<number, Removal>();

  /** A device is gone, and some of its pages were in use. */
  get watching(): boolean {
    return this.#removed.size > 0;
  }

  constructor(pages: PageTracker) {
    this.#pages = pages;
  }

  event(e: KernelEvent): void {
    switch (e.spec.role) {
      case "kill":
        if (!this.#kills.has(e.task)) this.#kills.set(e.task, { time: e.time, fn: e.spec.fn });
        return;
      case "remove-enter": {
        if (this.removals.length >= MAX_REMOVALS) return;
        const kill = this.#kills.get(e.task);
        this.#kills.delete(e.task);
        this.removals.push({
          task: e.task,
          killedAt: kill?.time ?? null,
          killedBy: kill?.fn ?? "",
          since: e.time,
          where: e.where,
          cpu: e.cpu,
          pgmap: e.pgmap,
          until: null,
          untilWhere: 0,
          releasedAt: null,
          holders: [],
          mapped: [],
          inUse: [],
          losses: this.#pages.losses,
        });
        return;
      }
      case "pgmap-released": {
        const last = this.removals.findLast((r) => r.until === null);
        if (last !== undefined) last.releasedAt = e.time;
        return;
      }
      case "remove-exit": {
        const removal = this.removals.findLast((r) => r.until === null && r.task === e.task);
        if (removal === undefined) return;
        removal.until = e.time;
        removal.untilWhere = e.where;
        this.#look(removal);
        for (const page of this.#of(removal)) {
          if (page.external > 0 || page.mappings > 0) this.#removed.set(page.pfn, removal);
        }
        return;
      }
      case "created":
        this.#removed.clear();
        return;
      default:
        this.#use(e);
    }
  }

  /** Call at the end: what open removals wait for. */
  finish(): void {
    for (const removal of this.removals) if (removal.until === null) this.#look(removal);
  }

  #of(removal: Removal): PageState[] {
    const pages: PageState[] = [];
    for (const page of this.#pages.pages.values()) {
      // A page that points to the pgmap is a page of the device, whatever else is known of it.
      const same = removal.pgmap !== "" && page.pgmap === removal.pgmap;
      if (same) page.device = true;
      const unnamed = page.device && (removal.pgmap === "" || page.pgmap === "");
      if (same || (unnamed && (page.pgmap !== "" || this.removals.length === 1))) pages.push(page);
    }
    return pages.sort((a, b) => a.pfn - b.pfn);
  }

  #look(removal: Removal): void {
    const pages = this.#of(removal);
    removal.holders = groupHolders(pages.filter((p) => p.external > 0));
    removal.mapped = pages.filter((p) => p.mappings > 0).map((p) => p.pfn);
    removal.inUse = pages.filter((p) => p.type === "private" && p.count > 0).map((p) => p.pfn);
    removal.losses = this.#pages.losses - removal.losses;
  }

  #use(e: KernelEvent): void {
    if (this.#removed.size === 0 || this.uses.length >= 16) return;
    const { role } = e.spec;
    if (role !== "grab" && role !== "put" && role !== "map" && role !== "unmap" && role !== "freed") return;
    const removal = this.#removed.get(e.pfn);
    if (removal === undefined) return;
    this.uses.push({
      removal,
      pfn: e.pfn,
      time: e.time,
      where: e.where,
      cpu: e.cpu,
      task: e.task,
      event: e.spec.name,
    });
  }
}
