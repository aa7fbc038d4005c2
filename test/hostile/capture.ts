import { pcapFile } from "../support/pcap.ts";
import type { StatedPacket } from "../support/pcapng.ts";

const TCP = 6;
const ETHERNET = Buffer.from("0200000000020200000000010800", "hex");

/** The ones-complement sum of 16-bit words, folded; an odd last octet counts as the high one (RFC 1071). */
function sum(...parts: readonly Uint8Array[]): number {
  let total = 0;
  for (const part of parts) {
    for (let at = 0; at < part.length; at += 2) total += ((part[at] ?? 0) << 8) | (part[at + 1] ?? 0);
  }
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return total;
}

/** The same IPv4 packet with right header and TCP checksums: many tools drop a packet without. */
function sealed(packet: Uint8Array): Buffer {
  const octets = Buffer.from(packet);
  const segment = octets.subarray(20);
  octets.writeUInt16BE(0, 10);
  octets.writeUInt16BE(~sum(octets.subarray(0, 20)) & 0xffff, 10);
  segment.writeUInt16BE(0, 16);
  const pseudo = Buffer.alloc(4);
  pseudo[1] = TCP;
  pseudo.writeUInt16BE(segment.length, 2);
  segment.writeUInt16BE(~sum(octets.subarray(12, 20), pseudo, segment) & 0xffff, 16);
  return octets;
}

/** A pcap file of Ethernet frames around these IPv4 packets, as a capture program would have written it. */
export function captureFile(packets: readonly StatedPacket[]): Uint8Array {
  return pcapFile(
    packets.map(({ atMicros, octets }) => {
      const frame = Buffer.concat([ETHERNET, sealed(octets)]);
      return { atMicros, wire: frame.length, octets: frame };
    }),
  );
}
