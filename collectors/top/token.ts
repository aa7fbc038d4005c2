import { OperationalError } from "../runtime/errors.ts";
import { readBounded } from "../runtime/regular-file.ts";

/** Octets of a token's file at most: a longer one is not it. */
const MAX_FILE_OCTETS = 4096;
/** What any header can carry, in one line; RFC 6750 §2.1 has less. */
const TOKEN = /^[\x20-\x7e]+$/;

/**
 * The bearer token that a file holds: one line of a regular file of at most 4,096 octets. Throws an OperationalError that
 * quotes nothing of it where it is none, or cannot be read.
 */
export function tokenFrom(file: string): string {
  const name = `--token-file ${file}`;
  let octets: Buffer | "irregular" | "too-long";
  try {
    octets = readBounded(file, MAX_FILE_OCTETS);
  } catch (cause) {
    const message = `${name} cannot be read (${(cause as NodeJS.ErrnoException).code})`;
    throw new OperationalError("usage", message, { cause });
  }
  if (octets === "irregular") {
    throw new OperationalError("usage", `${name} is no regular file; name the one with the token`);
  }
  if (octets === "too-long") {
    throw new OperationalError("usage", `${name} is longer than a token; name the file that has it alone`);
  }
  return sendable(octets.toString("utf8").trim(), name);
}

/** The token itself. Throws an OperationalError that says `where` it stands, and no more, if no header can carry it. */
export function sendable(token: string, where: string): string {
  if (TOKEN.test(token)) return token;
  throw new OperationalError("usage", `${where} holds no token: it is one line of printable ASCII`);
}
