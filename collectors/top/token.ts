import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { OperationalError } from "../runtime/errors.ts";

/** Octets of a token's file at most: a longer one is not it. */
const MAX_FILE_OCTETS = 4096;
/** What any header can carry, in one line; RFC 6750 §2.1 has less. */
const TOKEN = /^[\x20-\x7e]+$/;

/**
 * The bearer token that a file holds: one line of a regular file of at most 4,096 octets. Throws an OperationalError that
 * quotes nothing of it where it is none, or cannot be read.
 */
export function tokenFrom(file: string): string {
  const octets = Buffer.alloc(MAX_FILE_OCTETS + 1);
  let length = -1;
  try {
    // What is no file may have no end, or wait for a writer.
    const descriptor = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      if (fstatSync(descriptor).isFile()) length = readSync(descriptor, octets);
    } finally {
      closeSync(descriptor);
    }
  } catch (cause) {
    const message = `--token-file ${file} cannot be read (${(cause as NodeJS.ErrnoException).code})`;
    throw new OperationalError("usage", message, { cause });
  }
  const name = `--token-file ${file}`;
  if (length < 0) throw new OperationalError("usage", `${name} is no regular file; name the one with the token`);
  if (length > MAX_FILE_OCTETS) {
    throw new OperationalError("usage", `${name} is longer than a token; name the file that has it alone`);
  }
  return sendable(octets.toString("utf8", 0, length).trim(), name);
}

/** The token itself. Throws an OperationalError that says `where` it stands, and no more, if no header can carry it. */
export function sendable(token: string, where: string): string {
  if (TOKEN.test(token)) return token;
  throw new OperationalError("usage", `${where} holds no token: it is one line of printable ASCII`);
}
