/** A broken promise of pagelife's own code, never of the user's. Ends the process with status 70. */
export class PagelifeBug extends Error {
  constructor(message: string) {
    super(`pagelife bug: ${message}`);
    this.name = "PagelifeBug";
  }
}

/** States what must hold here. A failure is a bug of ours, so nobody need look in their scenario. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new PagelifeBug(message);
}

/** Ends a `switch` over a union, so that a new member shows every place to edit. */
export function assertNever(value: never): never {
  throw new PagelifeBug(`unexpected value ${JSON.stringify(value)}`);
}
