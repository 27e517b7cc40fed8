// The kernel's ring buffer, as trace-cmd copies it: pages of one CPU, each with a time stamp, the
// length of its data, and events with the time since the one before.
//
//     u64 time stamp | commit (long): length, and flags for lost events | events …
//     event: 5 bits type or length, 27 bits time delta | data
//
// Source: include/linux/ring_buffer.h, kernel/trace/ring_buffer.c, and header_page in the file
import type { ByteSource } from "./byte-source.ts";
import { DamagedFile, decompress } from "./decompress.ts";
import type { CpuData } from "./header.ts";

const PADDING = 29;
const TIME_EXTEND = 30;
const TIME_STAMP = 31;
/** Flags in a page's commit: events were lost before it, and their number stands behind the data. */
const MISSED_EVENTS = 1 << 31;
const MISSED_STORED = 1 << 30;
const COMMIT_MASK = (1 << 20) - 1;

/** How much of an uncompressed CPU is read at once. */
const BLOCK = 1 << 17;

export interface RingBufferLayout {
  readonly bigEndian: boolean;
  readonly commitSize: number;
  readonly dataOffset: number;
  readonly compression: string;
}

export interface StreamEvents {
  lost(cpu: number, count: number | null): void;
  damaged(cpu: number, offset: number, what: string): void;
}

/** The events of one CPU, one after the other. After `next()` the public fields tell of the event. */
export class CpuStream {
  readonly cpu: number;
  /** Nanoseconds (or ticks) since `base`. */
  time = 0;
  view: DataView;
  bytes: Buffer;
  /** Where the event's data lies in `bytes`. */
  at = 0;
  length = 0;
  /** Number of the event on its CPU. */
  number = 0;
  readonly #source: ByteSource;
  readonly #data: CpuData;
  readonly #layout: RingBufferLayout;
  readonly #base: bigint;
  readonly #listener: StreamEvents;
  readonly #little: boolean;
  /** Bytes of the file that are used up. */
  #offset: number;
  #end: number;
  #chunksLeft = 0;
  #chunked = false;
  /** Blocks of an uncompressed file are read into this, one after the other. */
  #own: Buffer = Buffer.alloc(0);
  // The block that is loaded, and the page in it.
  #blockAt = 0;
  #pageEnd = 0;
  #position = 0;

  constructor(
    source: ByteSource,
    data: CpuData,
    layout: RingBufferLayout,
    base: bigint,
    listener: StreamEvents,
  ) {
    this.cpu = data.cpu;
    this.#source = source;
    this.#data = data;
    this.#layout = layout;
    this.#base = base;
    this.#listener = listener;
    this.#little = !layout.bigEndian;
    this.#offset = data.offset;
    this.#end = data.offset + data.size;
    this.bytes = Buffer.alloc(0);
    this.view = new DataView(this.bytes.buffer, 0, 0);
  }

  /** Moves to the next event. @returns false at the end. */
  next(): boolean {
    for (;;) {
      if (this.#position >= this.#pageEnd) {
        if (!this.#nextPage()) return false;
        continue;
      }
      const p = this.#position;
      if (p + 4 > this.#pageEnd) {
        this.#damaged("an event that does not fit its page");
        this.#position = this.#pageEnd;
        continue;
      }
      const { view } = this;
      const little = this.#little;
      const head = view.getUint32(p, little);
      const type = little ? head & 31 : head >>> 27;
      const delta = little ? head >>> 5 : head & 0x7ffffff;
      if (type > 0 && type < PADDING) {
        const length = type * 4;
        if (p + 4 + length > this.#pageEnd) {
          this.#damaged("an event that does not fit its page");
          this.#position = this.#pageEnd;
          continue;
        }
        this.time += delta;
        this.at = p + 4;
        this.length = length;
        this.#position = p + 4 + length;
        this.number++;
        return true;
      }
      if (p + 8 > this.#pageEnd) {
        // Padding to the end of the page.
        this.#position = this.#pageEnd;
        continue;
      }
      const word = view.getUint32(p + 4, little);
      if (type === 0) {
        const length = word - 4;
        if (length < 0 || p + 8 + length > this.#pageEnd) {
          this.#damaged("an event that does not fit its page");
          this.#position = this.#pageEnd;
          continue;
        }
        this.time += delta;
        this.at = p + 8;
        this.length = length;
        this.#position = p + 8 + ((length + 3) & ~3);
        this.number++;
        return true;
      }
      if (type === PADDING) {
        // A discarded event; without a delta, nothing more is on this page.
        if (delta === 0) this.#position = this.#pageEnd;
        else {
          this.time += delta;
          this.#position = p + 4 + Math.max(word, 4);
        }
      } else if (type === TIME_EXTEND) {
        this.time += word * 2 ** 27 + delta;
        this.#position = p + 8;
      } else if (type === TIME_STAMP) {
        // 59 bits of an absolute time.
        const low = BigInt(word) * 134217728n + BigInt(delta);
        const high = (BigInt(Math.max(0, Math.round(this.time))) + this.#base) >> 59n;
        this.time = Number((high << 59n) + low - this.#base);
        this.#position = p + 8;
      }
    }
  }

  #damaged(what: string): void {
    this.#listener.damaged(this.cpu, this.#offset, what);
  }

  #nextPage(): boolean {
    const { pageSize } = this.#data;
    const { commitSize, dataOffset } = this.#layout;
    while (this.#blockAt + dataOffset >= this.bytes.length) if (!this.#load()) return false;
    const page = this.#blockAt;
    const size = Math.min(pageSize, this.bytes.length - page);
    this.#blockAt = page + pageSize;
    const stamp = this.view.getBigUint64(page, this.#little);
    const commit =
      commitSize === 8
        ? this.view.getUint32(page + 8 + (this.#little ? 0 : 4), this.#little)
        : this.view.getUint32(page + 8, this.#little);
    const length = commit & COMMIT_MASK;
    if (length > size - dataOffset) {
      this.#damaged(`a page with ${length} bytes of data`);
      this.#position = this.#pageEnd = 0;
      return true;
    }
    this.time = Number(stamp - this.#base);
    this.#position = page + dataOffset;
    this.#pageEnd = page + dataOffset + length;
    if ((commit & MISSED_EVENTS) !== 0) {
      let missed: number | null = null;
      if ((commit & MISSED_STORED) !== 0 && this.#pageEnd + 8 <= page + size) {
        missed =
          commitSize === 8
            ? Number(this.view.getBigUint64(this.#pageEnd, this.#little))
            : this.view.getUint32(this.#pageEnd, this.#little);
      }
      this.#listener.lost(this.cpu, missed);
    }
    return true;
  }

  /** Loads the next block of pages. */
  #load(): boolean {
    this.#blockAt = 0;
    this.bytes = Buffer.alloc(0);
    let block: Buffer;
    try {
      block = this.#data.compressed ? this.#chunk() : this.#plain();
    } catch (error) {
      if (!(error instanceof DamagedFile)) throw error;
      this.#damaged(error.message);
      this.#offset = this.#end;
      this.#chunksLeft = 0;
      return false;
    }
    if (block.length === 0) return false;
    this.bytes = block;
    this.view = new DataView(block.buffer, block.byteOffset, block.length);
    return true;
  }

  #plain(): Buffer {
    const { pageSize } = this.#data;
    const wanted = Math.min(Math.max(pageSize, BLOCK - (BLOCK % pageSize)), this.#end - this.#offset);
    if (wanted <= 0) return Buffer.alloc(0);
    if (this.#own.length < wanted) this.#own = Buffer.allocUnsafeSlow(wanted);
    const block = this.#source.read(this.#offset, wanted, this.#own);
    if (block.length < wanted) {
      this.#damaged("the file ends before the data of this CPU");
      this.#end = this.#offset + block.length;
    }
    this.#offset += block.length;
    return block;
  }

  #chunk(): Buffer {
    if (!this.#chunked) {
      this.#chunked = true;
      if (this.#data.size < 4) return Buffer.alloc(0);
      this.#chunksLeft = this.#u32(this.#offset);
      this.#offset += 4;
    }
    if (this.#chunksLeft <= 0 || this.#offset + 8 > this.#end) return Buffer.alloc(0);
    this.#chunksLeft--;
    const packed = this.#u32(this.#offset);
    const unpacked = this.#u32(this.#offset + 4);
    if (packed > this.#end - this.#offset) throw new DamagedFile(`a chunk of ${packed} bytes`);
    const bytes = this.#source.read(this.#offset + 8, packed);
    if (bytes.length < packed) throw new DamagedFile("the file ends inside of a chunk");
    this.#offset += 8 + packed;
    return decompress(this.#layout.compression, bytes, unpacked);
  }

  #u32(offset: number): number {
    const b = this.#source.read(offset, 4);
    if (b.length < 4) throw new DamagedFile("the file ends before the data of this CPU");
    return this.#little ? b.readUInt32LE(0) : b.readUInt32BE(0);
  }

  /** The time stamp of the first page; null if there is no page. */
  firstStamp(): bigint | null {
    if (this.bytes.length === 0 && !this.#load()) return null;
    return this.bytes.length < 8 ? null : this.view.getBigUint64(0, this.#little);
  }
}
