import { readFileSync } from "node:fs";
import { PcapDecoder } from "../../../src/capture-file/pcap-decoder.ts";
import { PacketVector } from "../../../src/vector.ts";
import type { PacketCount } from "../../lab/packet-count.ts";
import { copyOf } from "../receiver.ts";

const ETHERNET_OCTETS = 14;
const UDP_OCTETS = 8;
const VXLAN_OCTETS = 8;

/** How copies travel in a test. */
export type Delivered = "gre-in-udp" | "vxlan";

/** The packets of a finished recording, from their IP headers, as hexadecimal text. */
export function packetsIn({ file }: PacketCount): string[] {
  return ipPackets(file).map((packet) => packet.toString("hex"));
}

/** The packets that those of a finished recording are copies of, as `packetsIn` has them. */
export function copiesIn({ file }: PacketCount, delivered: Delivered): string[] {
  return ipPackets(file).map((packet) => {
    const payload = packet.subarray(((packet[0] ?? 0) >> 4 === 4 ? 20 : 40) + UDP_OCTETS);
    const copy = delivered === "vxlan" ? payload.subarray(VXLAN_OCTETS + ETHERNET_OCTETS) : copyOf(payload).packet;
    return copy.toString("hex");
  });
}

/** What stands behind the Ethernet headers of a capture. */
function ipPackets(file: string): Buffer[] {
  const octets = Uint8Array.from(readFileSync(file));
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
