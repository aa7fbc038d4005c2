import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";

const MAX_MIB = 1;
const MAX_OCTETS = MAX_MIB * 1024 * 1024;

/** As `readRegularOctets`, the text, in UTF-8. */
export function readRegularFile(path: string): string {
  return readRegularOctets(path).toString("utf8");
}

/**
 * The octets of a regular file of at most 1 MiB. Throws where it is another thing, such as a pipe or a device that could
 * keep whoever reads it for ever, where it is larger, and where it cannot be read.
 */
export function readRegularOctets(path: string): Buffer {
  const octets = readBounded(path, MAX_OCTETS);
  if (octets === "irregular") throw new Error(`it is no regular file, read '${path}'`);
  if (octets === "too-long") throw new Error(`it is larger than ${MAX_MIB} MiB, read '${path}'`);
  return octets;
}

/** The octets of a regular file of at most so many, or why not. Throws the system's error where it cannot be read. */
export function readBounded(path: string, most: number): Buffer | "irregular" | "too-long" {
  // What a file says of its size need not be so: below /proc it is 0.
  const room = Buffer.alloc(most + 1);
  let length = 0;
  // A pipe that nobody writes to would not even let itself be opened.
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    if (!fstatSync(file).isFile()) return "irregular";
    let read = -1;
    while (read !== 0 && length < room.length) {
      read = readSync(file, room, length, room.length - length, null);
      length += read;
    }
    if (length > most) return "too-long";
    // A part of the room would keep all of it for as long as a connection has the octets.
    const octets = Buffer.alloc(length);
    room.copy(octets);
    return octets;
  } finally {
    // They may be a key.
    room.fill(0, 0, length);
    closeSync(file);
  }
}
