// Writes an initramfs: a cpio archive in the "newc" form, which the kernel unpacks. The format is in the
// kernel's Documentation/driver-api/early-userspace/buffer-format.rst. Written by hand, so that an image
// can be made without root, without a scratch directory, and the same bytes each time.

export interface CpioEntry {
  /** Path in the guest, without a leading slash. */
  readonly path: string;
  /** File content; a string is the target of a symbolic link; null is a directory. */
  readonly content: Uint8Array | string | null;
  readonly executable?: boolean;
}

const pad4 = (n: number): number => (4 - (n % 4)) % 4;

function record(ino: number, mode: number, name: string, data: Uint8Array): Buffer {
  const field = (n: number): string => n.toString(16).toUpperCase().padStart(8, "0");
  const nameSize = Buffer.byteLength(name) + 1;
  const fields = [ino, mode, 0, 0, 1, 0, data.length, 0, 0, 0, 0, nameSize, 0].map(field).join("");
  const head = Buffer.from(`070701${fields}${name}\0`, "latin1");
  return Buffer.concat([head, Buffer.alloc(pad4(head.length)), data, Buffer.alloc(pad4(data.length))]);
}

/** The archive, with the directories that its paths need. */
export function cpio(entries: readonly CpioEntry[]): Buffer {
  const parts: Buffer[] = [];
  const made = new Set<string>();
  const directory = (path: string): void => {
    if (path === "" || made.has(path)) return;
    const cut = path.lastIndexOf("/");
    if (cut > 0) directory(path.slice(0, cut));
    made.add(path);
    parts.push(record(parts.length + 1, 0o040755, path, new Uint8Array()));
  };
  for (const { path, content, executable } of entries) {
    if (content === null) {
      directory(path);
      continue;
    }
    const cut = path.lastIndexOf("/");
    if (cut > 0) directory(path.slice(0, cut));
    if (made.has(path)) continue;
    made.add(path);
    const link = typeof content === "string";
    const mode = link ? 0o120777 : executable === true ? 0o100755 : 0o100644;
    parts.push(record(parts.length + 1, mode, path, link ? Buffer.from(content) : content));
  }
  parts.push(record(0, 0, "TRAILER!!!", new Uint8Array()));
  return Buffer.concat(parts);
}
