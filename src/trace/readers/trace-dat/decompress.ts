// Sections and chunks of a version 7 file, unpacked with a bound: a few bytes must not ask for
// gigabytes.
import * as zlib from "node:zlib";
import { decompress as fzstdDecompress } from "fzstd";
import type { ZSTDDecoder } from "zstddec";

/** Largest section or chunk that is unpacked. trace-cmd's chunks are some pages, its sections megabytes. */
export const MAX_UNPACKED = 256 << 20;

/** Why bytes cannot be read; the reader notes it and goes on. */
export class DamagedFile extends Error {}

type ZstdDecompress = (b: Buffer, options: { maxOutputLength: number }) => Buffer;
const nativeZstd = (zlib as unknown as { zstdDecompressSync?: ZstdDecompress }).zstdDecompressSync;

let wasmZstd: ZSTDDecoder | null = null;

/**
 * Makes zstd faster: libzstd as WebAssembly unpacks ten times as fast as fzstd, but takes a promise to
 * set up. Without this call everything works, slower.
 */
export async function prepareZstd(): Promise<void> {
  if (nativeZstd !== undefined || wasmZstd !== null) return;
  const zstddec = await import("zstddec");
  const decoder = new zstddec.ZSTDDecoder();
  await withoutFetch(() => decoder.init());
  wasmZstd = decoder;
}

/**
 * zstddec hands its WebAssembly to fetch() as a data: address, if there is fetch(). Node has it, but loads
 * an HTTP client for it, which takes longer than unpacking a small file. Without it, zstddec uses Buffer.
 */
function withoutFetch<T>(run: () => T): T {
  const own = Object.getOwnPropertyDescriptor(globalThis, "fetch");
  if (own?.configurable !== true) return run();
  Object.defineProperty(globalThis, "fetch", { value: undefined, configurable: true });
  try {
    return run();
  } finally {
    Object.defineProperty(globalThis, "fetch", own);
  }
}

/** @throws DamagedFile if the bytes are not what they should be. */
export function decompress(algorithm: string, packed: Buffer, size: number): Buffer {
  if (size > MAX_UNPACKED)
    throw new DamagedFile(`a part of the file claims to be ${size} bytes when unpacked`);
  if (size > 64 && size / Math.max(packed.length, 1) > 100_000)
    throw new DamagedFile("a part claims to unpack to far more than it can");
  let out: Buffer;
  try {
    if (algorithm === "zstd") {
      if (nativeZstd !== undefined) out = nativeZstd(packed, { maxOutputLength: size });
      else {
        const bytes =
          wasmZstd === null ? fzstdDecompress(packed, new Uint8Array(size)) : wasmZstd.decode(packed, size);
        out = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
      }
    } else if (algorithm === "zlib") out = zlib.inflateSync(packed, { maxOutputLength: size });
    else
      throw new DamagedFile(
        `compression ${JSON.stringify(algorithm)} is not known; convert with \`trace-cmd convert --compression none\``,
      );
  } catch (error) {
    if (error instanceof DamagedFile) throw error;
    throw new DamagedFile(`${algorithm}: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (out.length !== size) throw new DamagedFile(`a part unpacks to ${out.length} bytes, not ${size}`);
  return out;
}
