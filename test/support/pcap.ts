import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { PcapDecoder } from "../../src/capture-file/pcap-decoder.ts";
import { encodePcapHeader, type PcapFormat, putPcapRecord } from "../../src/capture-file/pcap-encoder.ts";
import { PacketVector } from "../../src/vector.ts";
import type { StatedPacket } from "./pcapng.ts";

const ETHERNET_OCTETS = 14;

/** Little-endian Ethernet with microseconds, as tcpdump writes it on this machine. */
export const USUAL_PCAP: PcapFormat = { linkType: 1, nanoseconds: false, littleEndian: true };

/** A pcap file of these packets. */
export function pcapFile(packets: readonly StatedPacket[], format: PcapFormat = USUAL_PCAP): Uint8Array {
  const records = packets.map(({ atMicros, wire, octets }) => {
    const record = new Uint8Array(16 + octets.length);
    const at = putPcapRecord(format, new DataView(record.buffer), 0, atMicros, octets.length, wire);
    record.set(octets, at);
    return record;
  });
  return Buffer.concat([encodePcapHeader(format), ...records]);
}

/** Packets of a compressed Ethernet capture as tcpdump writes it on this machine, at most `most` of them. */
export function packetsOf(path: string, source: number, most = Number.POSITIVE_INFINITY) {
  const file = gunzipSync(readFileSync(path));
  const packets: (StatedPacket & { readonly linkType: number; readonly source: number })[] = [];
  for (let at = 24; at < file.length && packets.length < most; ) {
    const captured = file.readUInt32LE(at + 8);
    packets.push({
      atMicros: file.readUInt32LE(at) * 1e6 + file.readUInt32LE(at + 4),
      wire: file.readUInt32LE(at + 12),
      octets: file.subarray(at + 16, at + 16 + captured),
      linkType: USUAL_PCAP.linkType,
      source,
    });
    at += 16 + captured;
  }
  return packets;
}

/** What stands behind the Ethernet headers of a capture that is not compressed. */
export function ipPackets(path: string): Buffer[] {
  const octets = Uint8Array.from(readFileSync(path));
  const vector = new PacketVector();
  const decoder = new PcapDecoder();
  const packets: Buffer[] = [];
  vector.use(octets);
  for (let at = 0, next = -1; at !== next; ) {
    at = Math.max(next, 0);
    next = decoder.decode(vector, at, octets.length);
    for (let i = 0; i < vector.length; i++) {
      const from = (vector.at[i] ?? 0) + ETHERNET_OCTETS;
      packets.push(Buffer.from(octets.subarray(from, (vector.at[i] ?? 0) + (vector.captured[i] ?? 0))));
    }
    vector.clear();
  }
  return packets;
}

/** Octets of a hexdump; offsets up to a colon and remarks after a bar are left out. */
export function hex(dump: string): Uint8Array<ArrayBuffer> {
  const digits = dump
    .split("\n")
    .map((line) => line.replace(/^.*:/, "").replace(/\|.*$/, ""))
    .join("")
    .replace(/\s+/g, "");
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}
