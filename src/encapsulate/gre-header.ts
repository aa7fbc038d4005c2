/**
 * The GRE header an agent puts before each copy: version 0 (RFC 2784 §2.1) with the sequence number and, when the agent
 * has one, the key of RFC 2890 §2. No checksum: the payload packet has its own, and the collector doubts none for it.
 *
 *     octets 0..2   flags: K 0x2000 (key present), S 0x1000 (sequence number present)
 *     octets 2..4   protocol type of what follows: the payload packet's EtherType, or an agent's report
 *     octets 4..8   key, when K is set
 *     the next 4    sequence number
 */
const FLAG_KEY = 0x2000;
const FLAG_SEQUENCE = 0x1000;

/** Octets of the header that `encodeGreHeader` writes: 12 with a key, 8 without. */
export function greHeaderLength(key: number | null): number {
  return key === null ? 8 : 12;
}

/**
 * Writes the GRE header of a copy into `target` from octet 0 and returns its length. `protocol` is its protocol type;
 * `key` and `sequence` are 0 to 2^32 - 1. The caller has seen that `target` is long enough.
 */
export function encodeGreHeader(target: Uint8Array, protocol: number, key: number | null, sequence: number): number {
  const flags = key === null ? FLAG_SEQUENCE : FLAG_SEQUENCE | FLAG_KEY;
  writeUint16(target, 0, flags);
  writeUint16(target, 2, protocol);
  if (key !== null) writeUint32(target, 4, key);
  const length = greHeaderLength(key);
  writeUint32(target, length - 4, sequence);
  return length;
}

function writeUint16(target: Uint8Array, at: number, value: number): void {
  target[at] = value >>> 8;
  target[at + 1] = value;
}

function writeUint32(target: Uint8Array, at: number, value: number): void {
  target[at] = value >>> 24;
  target[at + 1] = value >>> 16;
  target[at + 2] = value >>> 8;
  target[at + 3] = value;
}
