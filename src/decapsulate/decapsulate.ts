import { FATE_ALIVE, fateOf } from "../fate.ts";
import { forVector } from "../for-vector.ts";
import type { DecapsulationOptions } from "../pipeline-contract.ts";
import { type PacketVector, VECTOR_LENGTH } from "../vector.ts";
import { emptyReport, GRE_AGENT_REPORT, readAgentReport } from "../wire/agent-report.ts";
import { Cursor } from "../wire/cursor.ts";
import { ETHERTYPE_IPV4, skipEthernet } from "../wire/ethernet.ts";
import { GRE_ETHERNET } from "../wire/gre.ts";
import { ipv4AddressAt, ipv4Identification, PROTOCOL_TCP, skipIpv4 } from "../wire/ipv4.ts";
import { ipv6AddressAt, skipIpv6 } from "../wire/ipv6.ts";
import { skipLinkLayer } from "../wire/link-layer.ts";
import { skipShim } from "../wire/shim.ts";
import * as tcp from "../wire/tcp.ts";
import type { Agents } from "./agents.ts";
import { Delivery, refusal } from "./delivery.ts";
import type { Fragments, WholePacket } from "./fragments.ts";
import { steadyDecoder } from "./steady-path.ts";
import type { StreamLedger } from "./stream-ledger.ts";

/** Delivery headers around a packet, where nobody says how many. */
const DEFAULT_TUNNEL_DEPTH = 4;
/** Of an agent: the delivery header that tells is in pieces itself. */
const UNKNOWN = -1;

const FRAGMENT = fateOf("decapsulate/fragment");
const OVER_RATE = fateOf("decapsulate/agent-over-rate");
const REPORT = fateOf("decapsulate/agent-report");
const TUNNEL_DEPTH = fateOf("decapsulate/tunnel-depth");
const TCP_TRUNCATED = fateOf("decapsulate/tcp-truncated");
const TCP_MALFORMED = fateOf("decapsulate/tcp-malformed");

/**
 * The first stage: takes link-layer and delivery headers off, notes who copied the packet, and leaves the columns of
 * the payload packet's IP and TCP headers in the vector. What is not TCP or cannot be read leaves here with its fate.
 */
export class Decapsulation {
  private readonly agents: Agents;
  private readonly tunnelDepth: number;
  private readonly cursor = new Cursor();
  private readonly delivery: Delivery;
  private readonly report = emptyReport();
  private readonly fragments: Fragments | null;
  private readonly steadyOf = forVector((vector) => steadyDecoder(vector, this.agents));

  /** @param fragments puts IP fragments together; where it is null they have their fate, and nothing comes of them */
  constructor(agents: Agents, fragments: Fragments | null, options: DecapsulationOptions = {}) {
    this.agents = agents;
    this.fragments = fragments;
    this.tunnelDepth = options.tunnelDepth ?? DEFAULT_TUNNEL_DEPTH;
    this.delivery = new Delivery(options.udpPorts ?? {});
  }

  /**
   * Decodes the packets of the vector, up to a fragment that completes its packet: that is to be taken in its place, and what
   * is behind it later. Returns that one's number, or how many there are, as always without `fragments`. Total: any octets
   * give a fate.
   */
  process(vector: PacketVector): number {
    const count = Math.min(vector.length, VECTOR_LENGTH);
    const decodeSteady = this.steadyOf(vector);
    for (let i = 0; i < count; i++) {
      i = decodeSteady(i, count);
      if (i === count) break;
      vector.fate[i] = this.decode(vector, i, this.agents.ofSource(vector.source[i]!), 0);
      if (this.fragments?.hasWhole) return i;
    }
    return count;
  }

  /** As `process`, of a vector with nothing but a packet that was put together: what is known of its copier holds for it. */
  processWhole(vector: PacketVector, { agent, depth }: WholePacket): number {
    vector.fate[0] = this.decode(vector, 0, agent < 0 ? this.agents.ofSource(vector.source[0]!) : agent, depth);
    return this.fragments?.hasWhole ? 0 : 1;
  }

  /** @param known who copied the packet, as far as headers outside it tell, of which there are `outside` */
  private decode(vector: PacketVector, i: number, known: number, outside: number): number {
    const view = vector.view;
    const cursor = this.cursor;
    cursor.at = vector.at[i]!;
    cursor.end = cursor.at + vector.captured[i]!;
    cursor.wireEnd = cursor.at + vector.wire[i]!;
    let agent = known;
    let fate = skipLinkLayer(view, cursor, vector.linkType[i]!);
    for (let depth = outside; fate === FATE_ALIVE; depth++) {
      if (depth > this.tunnelDepth) return TUNNEL_DEPTH;
      fate = skipShim(view, cursor);
      if (fate !== FATE_ALIVE) return fate;
      const ipAt = cursor.at;
      const refused = refusal(cursor.protocol, depth > 0);
      if (refused !== FATE_ALIVE) return refused;
      const family = cursor.protocol === ETHERTYPE_IPV4 ? 4 : 6;
      fate = family === 4 ? skipIpv4(view, cursor) : skipIpv6(view, cursor);
      if (fate === FRAGMENT && this.fragments !== null) {
        return this.fragments.take(vector, i, cursor, family, ipAt, depth === 0 ? UNKNOWN : agent, depth);
      }
      if (fate !== FATE_ALIVE) return fate;

      if (cursor.protocol === PROTOCOL_TCP) {
        vector.agent[i] = agent;
        return this.decodeTcp(vector, i, ipAt, family);
      }
      fate = this.delivery.skip(view, cursor);
      if (fate !== FATE_ALIVE) return fate;
      // The outermost delivery header names the agent; what it copied may be a tunnel of somebody else.
      if (depth === 0) {
        const addressAt = family === 4 ? ipv4AddressAt(ipAt) : ipv6AddressAt(ipAt);
        const { fields } = this.delivery;
        agent = this.agents.ofSender(view, addressAt, family, fields);
        if (agent < 0) return -agent;
        const stream = this.agents.stream(agent);
        if (fields.stampMicros >= 0) vector.atMicros[i] = stream.clock.copied(vector.atMicros[i]!, fields);
        if (!stream.count(fields.sequence, cursor.wireEnd - cursor.at, vector, i)) return OVER_RATE;
        if (cursor.protocol === GRE_AGENT_REPORT && fields.isGre) {
          return this.takeReport(vector, i, fields.sequence, stream);
        }
      }
      if (cursor.protocol === GRE_ETHERNET) fate = skipEthernet(view, cursor);
    }
    return fate;
  }

  private takeReport(vector: PacketVector, i: number, sequence: number, stream: StreamLedger): number {
    const { report } = this;
    const fate = readAgentReport(vector.view, this.cursor, sequence, report);
    if (fate !== FATE_ALIVE) return fate;
    stream.report(report, vector.atMicros[i]!);
    return REPORT;
  }

  private decodeTcp(vector: PacketVector, i: number, ipAt: number, family: number): number {
    const view = vector.view;
    const { at, end, wireEnd } = this.cursor;
    if (at + tcp.TCP_MIN_OCTETS > end) return TCP_TRUNCATED;
    const payloadAt = at + (view.getUint8(at + tcp.TCP_DATA_OFFSET) >> 4) * 4;
    if (payloadAt < at + tcp.TCP_MIN_OCTETS || payloadAt > wireEnd) return TCP_MALFORMED;
    vector.family[i] = family;
    vector.addressAt[i] = family === 4 ? ipv4AddressAt(ipAt) : ipv6AddressAt(ipAt);
    vector.ipId[i] = family === 4 ? ipv4Identification(view, ipAt) : 0;
    vector.ipLength[i] = wireEnd - ipAt;
    vector.tcpAt[i] = at;
    vector.ports[i] = view.getUint32(at + tcp.TCP_PORTS);
    vector.seq[i] = view.getUint32(at + tcp.TCP_SEQUENCE);
    vector.ack[i] = view.getUint32(at + tcp.TCP_ACKNOWLEDGMENT);
    vector.flags[i] = view.getUint8(at + tcp.TCP_FLAGS);
    const optionsEnd = Math.min(payloadAt, end);
    vector.optionsEnd[i] = optionsEnd;
    vector.mptcpAt[i] =
      payloadAt === at + tcp.TCP_MIN_OCTETS
        ? 0
        : tcp.findOption(view, at + tcp.TCP_MIN_OCTETS, optionsEnd, tcp.OPTION_MPTCP);
    vector.payloadAt[i] = payloadAt;
    vector.payloadLength[i] = wireEnd - payloadAt;
    vector.payloadCaptured[i] = end > payloadAt ? end - payloadAt : 0;
    return FATE_ALIVE;
  }
}
