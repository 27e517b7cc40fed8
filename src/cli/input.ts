// Bytes of a recording, from a file or from standard input, unpacked on the way.
import {
  closeSync,
  existsSync,
  fstatSync,
  mkdtempSync,
  openSync,
  read,
  readSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createGunzip } from "node:zlib";
import { PagelifeError } from "../base/errors.ts";
import { detect } from "../trace/detect.ts";
import type { ByteSource } from "../trace/readers/trace-dat/byte-source.ts";

/** Small enough that the bytes are still in the processor's cache when they are looked at. */
export const CHUNK = 1 << 18;

/** From these sizes on, a thread that reads a file clearly saves more time than it takes to start. */
const LARGE = 256 << 20;
const LARGE_PACKED = 4 << 20;
const LARGE_TEXT = 1 << 30;
/** So much of a file tells what it is. */
const DETECT = 1 << 16;

/** Whether a thread of its own should read a file. Packed text is unpacked in another thread already. */
export function isLarge(path: string): boolean {
  const stat = path === "-" ? undefined : statSync(path, { throwIfNoEntry: false });
  if (stat?.isFile() !== true || stat.size < LARGE_PACKED) return false;
  const { source, close } = openSource(path);
  const detected = detect(source.read(0, DETECT));
  close();
  if (detected.kind === "text") return stat.size >= LARGE_TEXT;
  return detected.kind === "trace.dat" && (detected.version === "7" || stat.size >= LARGE);
}

/** A stream of a file's bytes; `-` is standard input. Each chunk is good until the next is asked for. */
export function openBytes(path: string): AsyncIterable<Buffer> {
  if (path === "-") return process.stdin as AsyncIterable<Buffer>;
  if (!existsSync(path)) throw new PagelifeError("PL102", `${path} does not exist.`);
  if (statSync(path).isDirectory())
    throw new PagelifeError("PL102", `${path} is a directory; a recording is a file.`);
  return fileChunks(path);
}

/**
 * The bytes of a file, read into two buffers in turn: a stream would make a buffer for each chunk, and clearing
 * those took a third of the time. While one is looked at, another thread fills the other.
 */
async function* fileChunks(path: string): AsyncGenerator<Buffer> {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch (error) {
    throw new PagelifeError("PL102", `${path}: ${error instanceof Error ? error.message : String(error)}.`);
  }
  // What has no size may never have more, and nobody should wait for that.
  const { size } = fstatSync(fd);
  const buffers = [Buffer.allocUnsafeSlow(CHUNK), Buffer.allocUnsafeSlow(CHUNK)];
  const fill = (i: number): Promise<number> => readInto(fd, buffers[i % 2] as Buffer);
  let next: Promise<number> | null = null;
  try {
    for (let i = 0; ; i++) {
      const n = await (next ?? fill(i));
      if (n === 0) return;
      next = size > 0 ? fill(i + 1) : null;
      yield (buffers[i % 2] as Buffer).subarray(0, n);
    }
  } finally {
    await next?.catch(() => undefined);
    closeSync(fd);
  }
}

const readInto = (fd: number, buffer: Buffer): Promise<number> =>
  new Promise((resolve, reject) => {
    read(fd, buffer, 0, buffer.length, null, (error, n) => (error === null ? resolve(n) : reject(error)));
  });

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
      first.push(Buffer.from(next.value));
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
        if (!unzip.write(Buffer.from(chunk))) await new Promise<void>((resume) => whenReady(unzip, resume));
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
  const { Decompress } = await import("fzstd");
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

/** A file that can be read at any place. */
export interface OpenSource {
  readonly source: ByteSource;
  close(): void;
}

export const openSource = (path: string): OpenSource => sourceOf(openSync(path, "r"));

function sourceOf(fd: number): OpenSource {
  const { size } = fstatSync(fd);
  const readAt = (offset: number, length: number, into?: Buffer): Buffer => {
    if (offset < 0 || offset >= size) return Buffer.alloc(0);
    const wanted = Math.min(length, size - offset);
    const b = into === undefined ? Buffer.allocUnsafe(wanted) : into.subarray(0, wanted);
    let done = 0;
    while (done < b.length) {
      const n = readSync(fd, b, done, b.length - done, offset + done);
      if (n === 0) break;
      done += n;
    }
    return b.subarray(0, done);
  };
  return { source: { size, read: cached(readAt) }, close: () => closeSync(fd) };
}

/** Headers are read in many small pieces: those come from one larger piece. */
function cached(read: ByteSource["read"]): ByteSource["read"] {
  const ahead = 1 << 16;
  let from = 0;
  let bytes = Buffer.alloc(0);
  return (offset, length, into) => {
    if (length > 4096) return read(offset, length, into);
    if (offset < from || offset + length > from + bytes.length) {
      bytes = Buffer.from(read(offset, ahead));
      from = offset;
    }
    return bytes.subarray(offset - from, offset - from + length);
  };
}

/** Writes a stream to a temporary file, which has no name any more, so it goes however we end. */
export async function spool(chunks: AsyncIterable<Buffer>): Promise<OpenSource> {
  const folder = mkdtempSync(join(tmpdir(), "pagelife-"));
  const fd = openSync(join(folder, "trace.dat"), "wx+", 0o600);
  rmSync(folder, { recursive: true, force: true });
  for await (const chunk of chunks) writeSync(fd, chunk);
  return sourceOf(fd);
}
