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
  // A pipe that nobody writes to would not even let itself be opened.
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    if (!fstatSync(file).isFile()) return "irregular";
    // What a file says of its size need not be so: below /proc it is 0.
    const octets = Buffer.alloc(most + 1);
    let length = 0;
    let read = -1;
    while (read !== 0 && length < octets.length) {
      read = readSync(file, octets, length, octets.length - length, null);
      length += read;
    }
    return length > most ? "too-long" : octets.subarray(0, length);
  } finally {
    closeSync(file);
  }
}
