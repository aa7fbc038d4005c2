import { FATE_ALIVE } from "../fate.ts";
import type { PacketVector } from "../vector.ts";
import { ETHERTYPE_IPV4 } from "../wire/ethernet.ts";
import { PROTOCOL_GRE, PROTOCOL_TCP, PROTOCOL_UDP } from "../wire/ipv4.ts";
import { LINKTYPE_ETHERNET, LINKTYPE_IPV4 } from "../wire/link-type.ts";
import { findOption, OPTION_MPTCP } from "../wire/tcp.ts";
import { PORT_GRE_IN_UDP } from "../wire/udp.ts";
import type { Agents } from "./agents.ts";

/** Version 4, no options. */
const PLAIN_IPV4 = 0x45;
/** GRE bits 2 and 3: key and sequence number (RFC 2890 §2), and no other. */
const KEY_AND_SEQUENCE = 0x3000;

/**
 * What `Decapsulation.decode` does, for the packets that make up most traffic: over Ethernet or nothing, IPv4 without
 * options that holds TCP, or GRE with a key and a sequence number (in UDP or not) that holds such a packet. Starts at
 * packet `from` and returns the first packet that is none of these, or `count`.
 *
 * One straight line instead of a walk from header to header; test/pipeline/short-ways.test.ts holds it against the
 * walk.
 */
export function decodeSteady(vector: PacketVector, agents: Agents, from: number, count: number): number {
  const { view, linkType } = vector;
  for (let i = from; i < count; i++) {
    let ip = vector.at[i]!;
    const present = ip + vector.captured[i]!;
    if (linkType[i] === LINKTYPE_ETHERNET) {
      if (ip + 14 > present || view.getUint16(ip + 12) !== ETHERTYPE_IPV4) return i;
      ip += 14;
    } else if (linkType[i] !== LINKTYPE_IPV4) return i;
    if (ip + 40 > present || view.getUint8(ip) !== PLAIN_IPV4 || (view.getUint16(ip + 6) & 0x3fff) !== 0) return i;
    let total = view.getUint16(ip + 2);
    let protocol = view.getUint8(ip + 9);
    let end = Math.min(present, ip + total);
    let agent = agents.ofSource(vector.source[i]!);
    if (protocol !== PROTOCOL_TCP) {
      let gre = ip + 20;
      if (protocol === PROTOCOL_UDP) {
        if (view.getUint16(gre + 2) !== PORT_GRE_IN_UDP) return i;
        gre += 8;
      } else if (protocol !== PROTOCOL_GRE) return i;
      const payload = gre + 12;
      if (payload + 40 > end || view.getUint16(gre) !== KEY_AND_SEQUENCE) return i;
      if (view.getUint16(gre + 2) !== ETHERTYPE_IPV4 || view.getUint8(payload) !== PLAIN_IPV4) return i;
      if ((view.getUint16(payload + 6) & 0x3fff) !== 0 || view.getUint8(payload + 9) !== PROTOCOL_TCP) return i;
      const payloadTotal = view.getUint16(payload + 2);
      const tcp = payload + 20;
      if (!isUsualTcp(view, tcp, Math.min(end, payload + payloadTotal), payload + payloadTotal)) return i;
      agent = agents.ofUsualSender(view.getUint32(ip + 12), view.getUint32(gre + 4));
      if (agent < 0) return i;
      agents.count(agent, view.getUint32(gre + 8), ip + total - payload, vector.atMicros[i]!);
      ip = payload;
      total = payloadTotal;
      end = Math.min(end, ip + total);
      protocol = PROTOCOL_TCP;
    }
    const at = ip + 20;
    const wireEnd = ip + total;
    if (!isUsualTcp(view, at, end, wireEnd)) return i;
    const payloadAt = at + (view.getUint8(at + 12) >> 4) * 4;
    const optionsEnd = Math.min(payloadAt, end);
    vector.fate[i] = FATE_ALIVE;
    vector.agent[i] = agent;
    vector.family[i] = 4;
    vector.addressAt[i] = ip + 12;
    vector.ipId[i] = view.getUint16(ip + 4);
    vector.ipLength[i] = total;
    vector.tcpAt[i] = at;
    vector.ports[i] = view.getUint32(at);
    vector.seq[i] = view.getUint32(at + 4);
    vector.ack[i] = view.getUint32(at + 8);
    vector.flags[i] = view.getUint8(at + 13);
    vector.optionsEnd[i] = optionsEnd;
    vector.mptcpAt[i] = findOption(view, at + 20, optionsEnd, OPTION_MPTCP);
    vector.payloadAt[i] = payloadAt;
    vector.payloadLength[i] = wireEnd - payloadAt;
    vector.payloadCaptured[i] = Math.max(end - payloadAt, 0);
  }
  return count;
}

/** A TCP header of at least 20 octets that are present, and whose options end inside the packet. */
function isUsualTcp(view: DataView, at: number, end: number, wireEnd: number): boolean {
  if (at + 20 > end) return false;
  const octets = (view.getUint8(at + 12) >> 4) * 4;
  return octets >= 20 && at + octets <= wireEnd;
}
