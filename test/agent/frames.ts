import { ACK, FIN, SYN } from "../../src/wire/tcp.ts";
import type { StatedPacket } from "../support/pcapng.ts";

/** Time of the first packet of every conversation, microseconds since 1970. */
export const BEGIN = 1_790_000_000_000_000;

/** What a test says about one Ethernet frame with a TCP segment. */
export interface Segment {
  readonly atMicros: number;
  readonly family?: 4 | 6;
  /** True for the direction from the server. */
  readonly back?: boolean;
  readonly clientPort?: number;
  readonly flags: number;
  readonly seq?: number;
  /** The segment carries an MPTCP option. */
  readonly option?: boolean;
  readonly payload?: number;
}

const MPTCP_DSS_ACK = [30, 8, 0x20, 0x01, 0, 0, 0, 1];

/** The frame of a segment between 10.1.0.1 or 2001:db8::1 and 10.2.0.2 or 2001:db8::2, whole. */
export function packetOf(segment: Segment): StatedPacket {
  const { family = 4, back = false, clientPort = 40_000, flags, seq = 1, option = false, payload = 0 } = segment;
  const options = option ? MPTCP_DSS_ACK : [];
  const tcp = Buffer.alloc(20 + options.length + payload, "rejoin!");
  tcp.fill(0, 0, 20);
  tcp.writeUInt16BE(back ? 443 : clientPort, 0);
  tcp.writeUInt16BE(back ? clientPort : 443, 2);
  tcp.writeUInt32BE(seq, 4);
  tcp[12] = ((20 + options.length) / 4) << 4;
  tcp[13] = flags;
  tcp.set(options, 20);
  const octets = Buffer.concat([
    Buffer.from(family === 4 ? "0200000000010200000000020800" : "02000000000102000000000286dd", "hex"),
    ip(family, back, tcp),
  ]);
  return { atMicros: segment.atMicros, wire: octets.length, octets };
}

function ip(family: 4 | 6, back: boolean, tcp: Buffer): Buffer {
  if (family === 4) {
    const header = Buffer.from(`4500000000000000400600000a0100010a020002`, "hex");
    header.writeUInt16BE(20 + tcp.length, 2);
    if (back) header.set(Buffer.from("0a0200020a010001", "hex"), 12);
    return Buffer.concat([header, tcp]);
  }
  const ends = ["20010db8000000000000000000000001", "20010db8000000000000000000000002"];
  const header = Buffer.from(`6000000000000640${(back ? ends.toReversed() : ends).join("")}`, "hex");
  header.writeUInt16BE(tcp.length, 4);
  return Buffer.concat([header, tcp]);
}

/**
 * A connection with options on its SYNs, then without: 200 segments of data, closed by both ends; 205 frames, `offset`
 * microseconds after BEGIN.
 */
export function conversation(clientPort: number, offset: number, mptcp: boolean, family: 4 | 6 = 4): StatedPacket[] {
  const at = (n: number): Pick<Segment, "atMicros" | "clientPort" | "family"> => ({
    atMicros: BEGIN + offset + n * 1000,
    clientPort,
    family,
  });
  return [
    packetOf({ ...at(0), flags: SYN, option: mptcp }),
    packetOf({ ...at(1), flags: SYN | ACK, back: true, option: mptcp }),
    ...Array.from({ length: 200 }, (_, n) =>
      packetOf({ ...at(2 + n), flags: ACK, seq: n, payload: 1 + ((n * 7) % 1300), back: n % 3 === 0 }),
    ),
    packetOf({ ...at(203), flags: FIN | ACK }),
    packetOf({ ...at(204), flags: FIN | ACK, back: true }),
    packetOf({ ...at(205), flags: ACK }),
  ];
}

/** The frames without their link layer, as hexadecimal text. */
export const payloadPackets = (packets: readonly StatedPacket[]): string[] =>
  packets.map(({ octets }) => Buffer.from(octets).subarray(14).toString("hex"));
