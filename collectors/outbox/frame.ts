import { crc32 } from "node:zlib";
import type { AtRest } from "./at-rest.ts";

/**
 * One append to a segment: this header, then the packed records, encrypted or not. All numbers big-endian.
 *
 *     0 "RJF1"   4 CRC-32 of what follows   8 payload octets   12 records
 *     16 sequence number of the batch's first record   24 of this frame's last record
 *     32 the outbox's clock, ms   40 kind   44 zero
 */
export interface Frame {
  readonly kind: FrameKind;
  readonly records: number;
  /** Sequence number of the first record of the batch; a record's own is this and its place in the batch. */
  readonly base: number;
  readonly last: number;
  readonly clockMs: number;
}
/** A `footer` closes a segment: `records`, `base` and `last` are those of all of it. */
export type FrameKind = "plain" | "encrypted" | "footer";

/** Octets of a frame's header. */
export const HEADER_OCTETS = 48;

/** What each frame begins with. */
export const MAGIC = Buffer.from("RJF1");
const KINDS: readonly FrameKind[] = ["plain", "encrypted", "footer"];
/** More than a batch can be; what says more is damage. */
const MAX_PAYLOAD_OCTETS = 256 * 1024 * 1024;

/** Header and payload of a frame, ready to be written. */
export function encodeFrame(
  frame: Omit<Frame, "kind">,
  payload: Uint8Array,
  kind: FrameKind,
  atRest: AtRest | null,
): Buffer {
  const header = Buffer.alloc(HEADER_OCTETS);
  MAGIC.copy(header);
  header.writeUInt32BE(frame.records, 12);
  header.writeDoubleBE(frame.base, 16);
  header.writeDoubleBE(frame.last, 24);
  header.writeDoubleBE(frame.clockMs, 32);
  header.writeUInt32BE(KINDS.indexOf(kind), 40);
  const stored = kind === "encrypted" && atRest !== null ? atRest.encrypt(payload, header.subarray(12)) : payload;
  header.writeUInt32BE(stored.length, 8);
  header.writeUInt32BE(checksumOf(header, stored), 4);
  return Buffer.concat([header, stored]);
}

/** What a header says, and the octets of its payload; null: this is none. Only `isWhole` finds a wrong checksum. */
export function decodeHeader(octets: Buffer): (Frame & { readonly payloadOctets: number }) | null {
  if (octets.length < HEADER_OCTETS || !octets.subarray(0, 4).equals(MAGIC)) return null;
  const kind = KINDS[octets.readUInt32BE(40)];
  const payloadOctets = octets.readUInt32BE(8);
  if (kind === undefined || payloadOctets > MAX_PAYLOAD_OCTETS) return null;
  return {
    kind,
    records: octets.readUInt32BE(12),
    base: octets.readDoubleBE(16),
    last: octets.readDoubleBE(24),
    clockMs: octets.readDoubleBE(32),
    payloadOctets,
  };
}

/** Whether header and payload are as they were written. */
export function isWhole(header: Buffer, stored: Uint8Array): boolean {
  return header.readUInt32BE(4) === checksumOf(header, stored);
}

/** The packed records of a frame that `isWhole`. Throws where they are encrypted, and not with this key. */
export function decodePayload(header: Buffer, stored: Uint8Array, atRest: AtRest | null): Uint8Array {
  if (KINDS[header.readUInt32BE(40)] !== "encrypted") return stored;
  if (atRest === null) throw new Error("it is encrypted");
  return atRest.decrypt(stored, header.subarray(12, HEADER_OCTETS));
}

/** Empty octets are left out: of some of them zlib makes a new beginning. */
function checksumOf(header: Buffer, stored: Uint8Array): number {
  const own = crc32(header.subarray(8, HEADER_OCTETS));
  return stored.length === 0 ? own : crc32(stored, own);
}
