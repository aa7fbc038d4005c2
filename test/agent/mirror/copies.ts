import type { PacketCount } from "../../lab/packet-count.ts";
import { ipPackets } from "../../support/pcap.ts";
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
