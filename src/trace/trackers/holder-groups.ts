// Holders of many pages put together, for sentences: the same task took them by the same path.
import type { Task } from "../../events/event.ts";
import type { Stack } from "../sink.ts";
import type { Holder, HolderKind, PageState } from "./page-state.ts";

/** Holders that are alike: the same task took them by the same path. */
export interface HolderGroup {
  readonly kind: HolderKind;
  readonly task: Task | null;
  readonly event: string;
  readonly stack: Stack | null;
  readonly since: number;
  readonly where: number;
  readonly gup: number;
  readonly seen: Holder["seen"];
  readonly pfns: number[];
  readonly references: number;
}

/** Puts holders of the same task, path and kind together; the order is that of their first page. */
export function groupHolders(pages: readonly PageState[]): HolderGroup[] {
  const groups = new Map<string, HolderGroup & { pfns: number[]; references: number }>();
  for (const page of pages) {
    for (const h of page.holders) {
      if (h.kind === "fault") continue;
      const key = `${h.kind} ${h.task?.id ?? `none ${h.seen}`} ${h.event} ${h.stack?.id ?? ""}`;
      const group = groups.get(key);
      if (group === undefined) {
        groups.set(key, {
          kind: h.kind,
          task: h.task,
          event: h.event,
          stack: h.stack,
          since: h.time,
          where: h.where,
          gup: h.gup,
          seen: h.seen,
          pfns: [page.pfn],
          references: h.n,
        });
      } else {
        if (group.pfns[group.pfns.length - 1] !== page.pfn) group.pfns.push(page.pfn);
        group.references += h.n;
      }
    }
  }
  return [...groups.values()];
}
