import { swapped } from "../octets/octet-sum.ts";

/** What a DSS checksum says of its mapping. */
export type ChecksumVerdict = "verified" | "failed" | "old_byte_order";

/**
 * Judges a mapping by its checksum (RFC 8684 §3.3.1): over a pseudo-header of 64-bit DSN, subflow sequence number as it
 * was stated, data-level length as it was stated, and zero, then the payload, whose sum is `payloadSum`. Linux sent
 * the checksum with its octets swapped on little-endian machines until 2022. 0x0000 and 0xffff are one value.
 */
export function judgeChecksum(
  payloadSum: number,
  dsnHi: number,
  dsnLo: number,
  ssn: number,
  length: number,
  checksum: number,
): ChecksumVerdict {
  const sum =
    payloadSum +
    (dsnHi >>> 16) +
    (dsnHi & 0xffff) +
    (dsnLo >>> 16) +
    (dsnLo & 0xffff) +
    (ssn >>> 16) +
    (ssn & 0xffff) +
    length;
  if ((sum + checksum) % 0xffff === 0) return "verified";
  return (sum + swapped(checksum)) % 0xffff === 0 ? "old_byte_order" : "failed";
}
