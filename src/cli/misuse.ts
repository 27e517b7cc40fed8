// What the user's code does wrong, cell by cell. The cells that it does not touch are checked all the same; what goes
// wrong in the same way on several kernels is said once.
import { type ErrorCode, PagelifeError } from "../base/errors.ts";

interface Wrong {
  readonly code: ErrorCode;
  readonly detail: string;
  readonly scenario: string;
  readonly kernels: string[];
}

export class Misuse {
  readonly #wrong: Wrong[] = [];

  /** @param error As `checkCell` throws it: with the cell in its words, and caused by one without. */
  add(error: PagelifeError, scenario: string, kernel: string): void {
    const { code, detail } = error.cause instanceof PagelifeError ? error.cause : error;
    const known = this.#wrong.find((w) => w.code === code && w.detail === detail && w.scenario === scenario);
    if (known === undefined) this.#wrong.push({ code, detail, scenario, kernels: [kernel] });
    else known.kernels.push(kernel);
  }

  /**
   * Prints all but the last error, and throws that.
   *
   * @throws {@link PagelifeError} if anything was wrong.
   */
  assertNone(): void {
    const errors = this.#wrong.map(
      (w) => new PagelifeError(w.code, `${w.detail} [${w.scenario} on ${w.kernels.join(", ")}]`),
    );
    const last = errors.pop();
    for (const { message } of errors) process.stderr.write(`pagelife: ${message}\n`);
    if (last !== undefined) throw last;
  }
}
