// Bytes of a recording, from a file or from standard input, unpacked on the way.
import { createReadStream, existsSync, statSync } from "node:fs";
import type { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { Decompress } from "fzstd";
import { PagelifeError } from "../base/errors.ts";

export const CHUNK = 1 << 20;

/** A stream of a file's bytes; `-` is standard input. */
export function openBytes(path: string): Readable {
  if (path === "-") return process.stdin;
  if (!existsSync(path)) throw new PagelifeError("PL102", `${path} does not exist.`);
  if (statSync(path).isDirectory())
    throw new PagelifeError("PL102", `${path} is a directory; a recording is a file.`);
  return createReadStream(path, { highWaterMark: CHUNK });
}

/** Chunks with the first bytes at hand: `head` is the start of what `rest` yields. */
export interface Peeked {
  readonly head: Buffer;
  readonly rest: AsyncGenerator<Buffer>;
}

/** Reads until `size` bytes are there or the end is reached, and hands on all of it again. */
export async function peek(chunks: AsyncIterable<Buffer>, size: number): Promise<Peeked> {
  const iterator = chunks[Symbol.asyncIterator]();
  const first: Buffer[] = [];
  let length = 0;
  let done = false;
  while (length < size && !done) {
    const next = await iterator.next();
    if (next.done === true) done = true;
    else {
      first.push(next.value);
      length += next.value.length;
    }
  }
  const joined = Buffer.concat(first);
  async function* rest(): AsyncGenerator<Buffer> {
    if (joined.length > 0) yield joined;
    while (!done) {
      const next = await iterator.next();
      if (next.done === true) break;
      yield next.value;
    }
  }
  return { head: joined.subarray(0, size), rest: rest() };
}

/** What went wrong while unpacking; the bytes before it are good. */
export interface Unpacking {
  damaged: string;
}

export async function* gunzip(chunks: AsyncIterable<Buffer>, state: Unpacking): AsyncGenerator<Buffer> {
  const unzip = createGunzip({ chunkSize: CHUNK });
  const feeding = (async () => {
    try {
      for await (const chunk of chunks) {
        if (!unzip.write(chunk)) await new Promise<void>((resume) => whenReady(unzip, resume));
        if (unzip.destroyed) return;
      }
    } finally {
      unzip.end();
    }
  })();
  try {
    for await (const chunk of unzip) yield chunk as Buffer;
  } catch (error) {
    state.damaged = error instanceof Error ? error.message : String(error);
  }
  await feeding.catch(() => undefined);
}

function whenReady(stream: NodeJS.EventEmitter, resume: () => void): void {
  const events = ["drain", "close", "error"];
  const once = (): void => {
    for (const e of events) stream.removeListener(e, once);
    resume();
  };
  for (const e of events) stream.once(e, once);
}

/** Windows larger than this are refused: a hostile file could ask for gigabytes. */
const MAX_ZSTD_CHUNK = 1 << 20;

export async function* unzstd(chunks: AsyncIterable<Buffer>, state: Unpacking): AsyncGenerator<Buffer> {
  let out: Buffer[] = [];
  const decoder = new Decompress((data) => {
    if (data.length > 0) out.push(Buffer.from(data.buffer, data.byteOffset, data.length));
  });
  try {
    for await (const chunk of chunks) {
      for (let p = 0; p < chunk.length; p += MAX_ZSTD_CHUNK) {
        decoder.push(new Uint8Array(chunk.subarray(p, p + MAX_ZSTD_CHUNK)));
        for (const piece of out) yield piece;
        out = [];
      }
    }
    decoder.push(new Uint8Array(0), true);
  } catch (error) {
    state.damaged = error instanceof Error ? error.message : String(error);
  }
  for (const piece of out) yield piece;
}
