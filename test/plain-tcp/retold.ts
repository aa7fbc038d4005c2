import { readFileSync } from "node:fs";
import { expect } from "vitest";
import type { PipelineOptions } from "../../src/pipeline.ts";
import { type RunPacket, run } from "../support/pipeline-run.ts";

/** A retold packet as it stands on the wire, read by hand: nothing of `src` is asked. */
export interface RetoldPacket {
  readonly atMicros: number;
  /** `10.0.0.1:80`. */
  readonly from: string;
  readonly to: string;
  readonly seq: number;
  readonly ack: number;
  /** As letters, in this order: S A P F R. */
  readonly flags: string;
  readonly payload: Buffer;
  readonly octets: Buffer;
}

const LETTERS = [
  [0x02, "S"],
  [0x10, "A"],
  [0x08, "P"],
  [0x01, "F"],
  [0x04, "R"],
] as const;

function ipText(octets: Buffer): string {
  if (octets.length === 4) return [...octets].join(".");
  return Array.from({ length: 8 }, (_, n) => octets.readUInt16BE(n * 2).toString(16)).join(":");
}

/** Reads a packet. */
export function readPacket(packet: Uint8Array, atMicros: number): RetoldPacket {
  const octets = Buffer.from(packet);
  const isIpv6 = octets.readUInt8(0) >> 4 === 6;
  const at = isIpv6 ? 40 : 20;
  const [source, destination] = isIpv6
    ? [octets.subarray(8, 24), octets.subarray(24, 40)]
    : [octets.subarray(12, 16), octets.subarray(16, 20)];
  const flags = octets.readUInt8(at + 13);
  return {
    atMicros,
    from: `${ipText(source)}:${octets.readUInt16BE(at)}`,
    to: `${ipText(destination)}:${octets.readUInt16BE(at + 2)}`,
    seq: octets.readUInt32BE(at + 4),
    ack: octets.readUInt32BE(at + 8),
    flags: LETTERS.map(([bit, letter]) => (flags & bit ? letter : "")).join(""),
    payload: octets.subarray(at + (octets.readUInt8(at + 12) >> 4) * 4),
    octets,
  };
}

/** Packets of a little-endian pcap file of raw IP, read by hand. */
export function packetsIn(path: string): RetoldPacket[] {
  const file = readFileSync(path);
  expect(file.subarray(0, 24).toString("hex")).toBe(
    "d4c3b2a1020004000000000000000000000004006500 0000".replace(" ", ""),
  );
  const packets: RetoldPacket[] = [];
  for (let at = 24; at < file.length; ) {
    const captured = file.readUInt32LE(at + 8);
    expect(file.readUInt32LE(at + 12)).toBe(captured);
    const micros = file.readUInt32LE(at) * 1e6 + file.readUInt32LE(at + 4);
    packets.push(readPacket(file.subarray(at + 16, at + 16 + captured), micros));
    at += 16 + captured;
  }
  return packets;
}

/** What a pipeline tells again of these packets, how many octets it says that it could not, and how many runs of them too early. */
export function tell(
  packets: readonly RunPacket[],
  options: Partial<PipelineOptions> = {},
  batch = 64,
): { readonly told: RetoldPacket[]; readonly untold: number; readonly early: number } {
  const told: RetoldPacket[] = [];
  const plainTcp = (packet: Uint8Array, at: number) => told.push(readPacket(packet, at));
  const { untold, totals } = run(packets, { partial: false, ...options, plainTcp }, batch);
  return { told, untold, early: totals.shed["early-answers"] ?? 0 };
}

/** What a pipeline tells again of these packets. */
export const retell = (...args: Parameters<typeof tell>): RetoldPacket[] => tell(...args).told;
