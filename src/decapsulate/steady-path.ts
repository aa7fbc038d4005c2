import { FATE_ALIVE, fateOf } from "../fate.ts";
import type { PacketVector } from "../vector.ts";
import { encapsulationOf } from "../wire/delivery-fields.ts";
import { ETHERTYPE_IPV4 } from "../wire/ethernet.ts";
import { PROTOCOL_GRE, PROTOCOL_TCP, PROTOCOL_UDP } from "../wire/ipv4.ts";
import { LINKTYPE_ETHERNET, LINKTYPE_IPV4 } from "../wire/link-type.ts";
import { findOption, OPTION_MPTCP } from "../wire/tcp.ts";
import { PORT_GRE_IN_UDP } from "../wire/udp.ts";
import type { Agents } from "./agents.ts";

/** Version 4, no options. */
const PLAIN_IPV4 = 0x45;
/** GRE bits 2 and 3, key and sequence number (RFC 2890 §2), and no other, before IPv4. */
const KEY_AND_SEQUENCE_IPV4 = 0x3000_0000 + ETHERTYPE_IPV4;

const GRE = encapsulationOf("gre");
const GRE_IN_UDP = encapsulationOf("gre-in-udp");

const OVER_RATE = fateOf("decapsulate/agent-over-rate");

/**
 * What `Decapsulation.decode` does, for the packets that make up most traffic: over Ethernet or nothing, IPv4 without
 * options that holds TCP, or GRE with a key and a sequence number (in UDP or not) that holds such a packet. The loop
 * starts at packet `from` and returns the first packet that is none of these, or `count`.
 *
 * One straight line instead of a walk from header to header; test/pipeline/short-ways.test.ts holds it against the
 * walk.
 */
export function steadyDecoder(vector: PacketVector, agents: Agents): (from: number, count: number) => number {
  return function decodeSteady(from, count) {
    const { view, linkType, at: begin, captured, source } = vector;
    const { fate, agent: agentOf, family, addressAt, ipId, ipLength, tcpAt, ports, seq, ack, flags } = vector;
    const { optionsEnd, mptcpAt, payloadAt, payloadLength, payloadCaptured } = vector;
    for (let i = from; i < count; i++) {
      let ip = begin[i]!;
      const present = ip + captured[i]!;
      if (linkType[i] === LINKTYPE_ETHERNET) {
        if (ip + 14 > present || view.getUint16(ip + 12) !== ETHERTYPE_IPV4) return i;
        ip += 14;
      } else if (linkType[i] !== LINKTYPE_IPV4) return i;
      if (ip + 40 > present || view.getUint8(ip) !== PLAIN_IPV4 || (view.getUint16(ip + 6) & 0x3fff) !== 0) return i;
      let total = view.getUint16(ip + 2);
      const protocol = view.getUint8(ip + 9);
      let end = Math.min(present, ip + total);
      let agent = -1;
      if (protocol !== PROTOCOL_TCP) {
        let gre = ip + 20;
        if (protocol === PROTOCOL_UDP) {
          if (view.getUint16(gre + 2) !== PORT_GRE_IN_UDP || view.getUint16(gre + 4) !== total - 20) return i;
          gre += 8;
        } else if (protocol !== PROTOCOL_GRE) return i;
        const payload = gre + 12;
        if (payload + 40 > end || view.getUint32(gre) !== KEY_AND_SEQUENCE_IPV4) return i;
        if (view.getUint8(payload) !== PLAIN_IPV4) return i;
        if ((view.getUint16(payload + 6) & 0x3fff) !== 0 || view.getUint8(payload + 9) !== PROTOCOL_TCP) return i;
        const payloadTotal = view.getUint16(payload + 2);
        if (!isUsualTcp(view, payload + 20, Math.min(end, payload + payloadTotal), payload + payloadTotal)) return i;
        const encapsulation = protocol === PROTOCOL_UDP ? GRE_IN_UDP : GRE;
        agent = agents.ofUsualSender(view.getInt32(ip + 12), view.getInt32(gre + 4), encapsulation);
        if (agent < 0) return i;
        if (!agents.stream(agent).count(view.getUint32(gre + 8), ip + total - payload, vector, i)) {
          fate[i] = OVER_RATE;
          continue;
        }
        ip = payload;
        total = payloadTotal;
        end = Math.min(end, ip + total);
      } else {
        if (!isUsualTcp(view, ip + 20, end, ip + total)) return i;
        agent = agents.ofSource(source[i]!);
      }
      const at = ip + 20;
      const wireEnd = ip + total;
      const dataAt = at + (view.getUint8(at + 12) >> 4) * 4;
      const last = Math.min(dataAt, end);
      fate[i] = FATE_ALIVE;
      agentOf[i] = agent;
      family[i] = 4;
      addressAt[i] = ip + 12;
      ipId[i] = view.getUint16(ip + 4);
      ipLength[i] = total;
      tcpAt[i] = at;
      ports[i] = view.getUint32(at);
      seq[i] = view.getUint32(at + 4);
      ack[i] = view.getUint32(at + 8);
      flags[i] = view.getUint8(at + 13);
      optionsEnd[i] = last;
      mptcpAt[i] = findOption(view, at + 20, last, OPTION_MPTCP);
      payloadAt[i] = dataAt;
      payloadLength[i] = wireEnd - dataAt;
      payloadCaptured[i] = Math.max(end - dataAt, 0);
    }
    return count;
  };
}

/** A TCP header of at least 20 octets that are present, and whose options end inside the packet. */
function isUsualTcp(view: DataView, at: number, end: number, wireEnd: number): boolean {
  if (at + 20 > end) return false;
  const octets = (view.getUint8(at + 12) >> 4) * 4;
  return octets >= 20 && at + octets <= wireEnd;
}
