// Reads the tar that the guest writes to its first disk: plain files of one directory, ustar.

const BLOCK = 512;

const text = (bytes: Buffer): string => {
  const end = bytes.indexOf(0);
  return bytes.toString("utf8", 0, end < 0 ? bytes.length : end);
};

/** The plain files of an archive, by name without `./`. Ends quietly where the archive does. */
export function untar(archive: Buffer): Map<string, Buffer> {
  const files = new Map<string, Buffer>();
  for (let at = 0; at + BLOCK <= archive.length && archive[at] !== 0; ) {
    const name = text(archive.subarray(at, at + 100)).replace(/^\.\//, "");
    const size = Number.parseInt(text(archive.subarray(at + 124, at + 136)).trim(), 8);
    if (Number.isNaN(size)) break;
    const kind = archive[at + 156];
    at += BLOCK;
    if (kind === 0x30 || kind === 0) files.set(name, archive.subarray(at, at + size));
    at += Math.ceil(size / BLOCK) * BLOCK;
  }
  return files;
}
