// The real kernels that options of `pagelife lab` name.
import { PagelifeError } from "../base/errors.ts";
import { requireTools } from "../lab/guest-image.ts";
import { ownKernel, prepareKernel, type RealKernel } from "../lab/kernels.ts";

export interface KernelOptions {
  readonly kernel?: string;
  readonly kernelImage?: string;
  readonly modules?: string;
  readonly out?: string;
  readonly timeout: string;
}

/** Says what takes its time. */
export const progress = (text: string): void => {
  if (process.stderr.isTTY || process.env.CI !== undefined) process.stderr.write(`${text}\n`);
};

/** Reads a whole number. */
export function wholeNumber(text: string, option: string): number {
  const n = Number(text);
  if (!Number.isInteger(n) || n < 0) {
    throw new PagelifeError("PL105", `${option} takes a whole number, not "${text}".`);
  }
  return n;
}

/** The kernels that the options name, ready to boot. */
export async function kernelsOf(options: KernelOptions, scratch: string): Promise<RealKernel[]> {
  requireTools();
  if (options.kernelImage !== undefined) {
    return [await ownKernel(options.kernelImage, options.modules ?? "none", scratch)];
  }
  const found: RealKernel[] = [];
  for (const name of (options.kernel ?? "6.12,7.x").split(","))
    found.push(await prepareKernel(name, progress));
  return found;
}
