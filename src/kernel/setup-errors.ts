// In setup nobody expects an error that he does not ask for: a world that is not what its author thinks it is answers
// another question. So what comes to nothing there ends the search, with the line.
import { PagelifeError } from "../base/errors.ts";
import type { Code } from "../explore/access.ts";
import * as errors from "./include/asm-generic/errno-base.ts";
import type { MmStruct, VmArea } from "./include/linux/mm_types.ts";
import type { FunctionName, Kernel } from "./kernel.ts";

/** What is wrong with the result of a call, or null. */
type Fault = (result: unknown, args: readonly unknown[]) => string | null;

const ERRNO = new Map<number, string>(Object.entries(errors).map(([name, number]) => [number, name]));

const errno: Fault = (result) =>
  typeof result === "number" && result < 0 ? `-${ERRNO.get(-result) ?? -result}` : null;

const access: Fault = (result) => (result === "NOPAGE" ? null : String(result));

const pages: Fault = (result, [, asked]) => {
  if (!Array.isArray(result)) return errno(result, []);
  return result.length === asked ? null : `${result.length} of ${String(asked)} pages`;
};

/** Functions of which setup expects that they do what they are called for. */
const expected: Readonly<Partial<Record<FunctionName, Fault>>> = {
  touch: access,
  store: access,
  mmap: errno,
  vm_munmap: errno,
  get_user_pages_fast: pages,
  get_user_pages_fast_only: pages,
  pin_user_pages_fast: pages,
  pin_user_pages_fast_only: pages,
  vfs_fallocate: errno,
  vfs_clone_file_range: errno,
  generic_shutdown_super: errno,
  freeze_super: errno,
  thaw_super: errno,
};

/** An error that setup has not asked for, and the result in place of which it is. */
class UnaskedError extends PagelifeError {
  readonly result: unknown;

  constructor(call: string, wrong: string, result: unknown) {
    const ask = "a setup that wants this result says so with mayFail()";
    super("PL210", `${call} came to ${wrong}; ${ask}`);
    this.result = result;
  }
}

/** An argument in a few characters; null for one that says nothing. */
function shown(argument: unknown): string | null {
  if (typeof argument !== "object" || argument === null) return String(argument);
  const { name } = argument as Partial<MmStruct>;
  if (name !== undefined) return name;
  const { vm_file, vm_start, vm_pages } = argument as Partial<VmArea>;
  if (vm_file === undefined || vm_start === undefined || vm_pages === undefined) return null;
  return `${vm_file.name} at pages ${vm_start} to ${vm_start + vm_pages - 1}`;
}

function* orThrow(name: string, fault: Fault, args: readonly unknown[], code: Code<unknown>): Code<unknown> {
  const result = yield* code;
  const wrong = fault(result, args);
  if (wrong === null) return result;
  const list = args.map(shown).filter((text) => text !== null);
  throw new UnaskedError(`${name}(${list.join(", ")})`, wrong, result);
}

/** A kernel as setup calls it: an access, a mapping or a pin that comes to nothing is an error. */
export function kernelForSetup(k: Kernel): Kernel {
  const calls = Object.entries(expected).map(([name, fault]) => {
    const call = k[name as FunctionName] as (...args: unknown[]) => Code<unknown>;
    return [name, (...args: unknown[]) => orThrow(name, fault, args, call(...args))] as const;
  });
  return Object.setPrototypeOf(Object.fromEntries(calls), k) as Kernel;
}

/**
 * In setup: what a call gives, also where it comes to nothing, which without this is an error.
 *
 * @example const fault = yield* mayFail(k.touch(mm, 7, true)); // "SIGBUS", beyond the end of the file
 */
export function* mayFail<T>(code: Code<T>): Code<T> {
  try {
    return yield* code;
  } catch (error) {
    if (error instanceof UnaskedError) return error.result as T;
    throw error;
  }
}
