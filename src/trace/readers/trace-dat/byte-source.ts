// Bytes at any place of a file. The command line opens the file; everything below sees only this.

export interface ByteSource {
  readonly size: number;
  /**
   * Bytes from `offset` on; fewer than `length` only where the file ends.
   *
   * @param into At least as long; may be filled and handed back, so that none has to be made.
   */
  read(offset: number, length: number, into?: Buffer): Buffer;
}

export const bufferSource = (b: Buffer): ByteSource => ({
  size: b.length,
  read: (offset, length) =>
    offset < 0 || offset >= b.length ? Buffer.alloc(0) : b.subarray(offset, offset + length),
});
