import { ETHERTYPE_IPV4, ETHERTYPE_IPV6 } from "../../../src/wire/ethernet.ts";
import { IPV4_FRAGMENT, IPV4_PROTOCOL, PROTOCOL_GRE, PROTOCOL_UDP } from "../../../src/wire/ipv4.ts";
import { IPV6_HEADER_OCTETS, IPV6_NEXT_HEADER } from "../../../src/wire/ipv6.ts";
import { PORT_GRE_IN_UDP } from "../../../src/wire/udp.ts";
import * as bpf from "../../linux/classic-bpf.ts";

/** Where the kernel tells of a packet what stands in none of its octets (SKF_AD_OFF of linux/filter.h), and of what. */
const ANCILLARY = 0xfffff000;
const ETHERTYPE = ANCILLARY;
const PACKET_TYPE = ANCILLARY + 4;
/** PACKET_OTHERHOST of packet(7): the frame is for another host, and is seen because somebody asked for all. */
const FOR_OTHERS = 3;
/** `struct ethhdr`: two addresses, and the type of what follows. */
const ETHERNET_OCTETS = 14;
/** More than any packet has. */
const WHOLE_PACKET = 0x40000;

const FRAGMENT_OFFSET = 0x1fff;
const IPV6_FRAGMENT = 44;
/** What Linux puts before the GRE of its own tunnels over IPv6, for the encapsulation limit (RFC 2473 §5.1). */
const DESTINATION_OPTIONS = 60;
const UDP_DESTINATION = 2;

/**
 * The program of classic BPF that takes what may be copies out of all that arrives: GRE (RFC 2784) and GRE-in-UDP
 * (RFC 8086), over IPv4 and IPv6, and every fragment of GRE and UDP, as only the first one tells the port.
 */
export function copyFilter(link: "ethernet" | "ip"): Uint8Array | null {
  const p = new bpf.BpfAssembler();
  const [accepted, refused] = [Symbol("accepted"), Symbol("refused")];
  const [ipv4, ipv6] = [Symbol("IPv4"), Symbol("IPv6")];
  p.add(bpf.LD_HALF, PACKET_TYPE);
  p.test(bpf.JUMP_EQUAL, FOR_OTHERS, refused);
  p.add(bpf.LDX_NUMBER, link === "ethernet" ? ETHERNET_OCTETS : 0);
  p.add(bpf.LD_HALF, ETHERTYPE);
  p.test(bpf.JUMP_EQUAL, ETHERTYPE_IPV4, ipv4);
  p.test(bpf.JUMP_EQUAL, ETHERTYPE_IPV6, ipv6, refused);

  p.place(ipv4);
  p.add(bpf.LD_OCTET_AT_X, IPV4_PROTOCOL);
  p.test(bpf.JUMP_EQUAL, PROTOCOL_GRE, accepted);
  p.test(bpf.JUMP_EQUAL, PROTOCOL_UDP, null, refused);
  p.add(bpf.LD_HALF_AT_X, IPV4_FRAGMENT);
  p.test(bpf.JUMP_ANY_BIT, FRAGMENT_OFFSET, accepted);
  p.add(bpf.LD_OCTET_AT_X, 0);
  p.add(bpf.AND_NUMBER, 0x0f);
  p.add(bpf.LSH_NUMBER, 2);
  p.add(bpf.ADD_X);
  p.add(bpf.TAX);
  p.add(bpf.LD_HALF_AT_X, UDP_DESTINATION);
  p.test(bpf.JUMP_EQUAL, PORT_GRE_IN_UDP, accepted, refused);

  p.place(ipv6);
  const [extension, udp] = [Symbol("extension header"), Symbol("UDP over IPv6")];
  p.add(bpf.LD_OCTET_AT_X, IPV6_NEXT_HEADER);
  p.test(bpf.JUMP_EQUAL, PROTOCOL_GRE, accepted);
  p.test(bpf.JUMP_EQUAL, PROTOCOL_UDP, udp);
  p.test(bpf.JUMP_EQUAL, IPV6_FRAGMENT, extension);
  p.test(bpf.JUMP_EQUAL, DESTINATION_OPTIONS, extension, refused);
  // It begins with what comes behind it.
  p.place(extension);
  p.add(bpf.LD_OCTET_AT_X, IPV6_HEADER_OCTETS);
  p.test(bpf.JUMP_EQUAL, PROTOCOL_GRE, accepted);
  p.test(bpf.JUMP_EQUAL, PROTOCOL_UDP, accepted, refused);
  p.place(udp);
  p.add(bpf.LD_HALF_AT_X, IPV6_HEADER_OCTETS + UDP_DESTINATION);
  p.test(bpf.JUMP_EQUAL, PORT_GRE_IN_UDP, accepted, refused);

  p.place(accepted);
  p.add(bpf.RETURN, WHOLE_PACKET);
  p.place(refused);
  p.add(bpf.RETURN, 0);
  return p.assemble();
}

/**
 * The same in the words of nft(8), but for fragments of UDP: these may be of somebody else's packet, of which the kernel
 * would then wait for the rest.
 */
export const WHOLE_COPIES: readonly string[] = [
  "ip protocol gre",
  "ip6 nexthdr gre",
  `ip protocol udp ip frag-off & 0x3fff == 0 udp dport ${PORT_GRE_IN_UDP}`,
  `ip6 nexthdr udp udp dport ${PORT_GRE_IN_UDP}`,
];
