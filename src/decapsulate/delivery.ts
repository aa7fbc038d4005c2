import { ASSIGNED_PORTS, type UdpEncapsulation } from "../../schema/encapsulation.ts";
import { FATE_ALIVE, fateOf } from "../fate.ts";
import type { Cursor } from "../wire/cursor.ts";
import { DeliveryFields, encapsulationOf } from "../wire/delivery-fields.ts";
import { GRE_ERSPAN_II, GRE_ERSPAN_III, skipErspan } from "../wire/erspan.ts";
import { ETHERTYPE_IPV4, ETHERTYPE_IPV6 } from "../wire/ethernet.ts";
import { PORT_GENEVE, skipGeneve } from "../wire/geneve.ts";
import { GRE_ETHERNET, GRE_KEEPALIVE, GRE_PPP, skipGre } from "../wire/gre.ts";
import { PROTOCOL_GRE, PROTOCOL_UDP } from "../wire/ipv4.ts";
import { PORT_GRE_IN_UDP, skipUdp } from "../wire/udp.ts";
import { PORT_VXLAN, PORT_VXLAN_GPE, PORT_VXLAN_LINUX, skipVxlan } from "../wire/vxlan.ts";

/** EtherType of PPP over Ethernet's discovery stage (RFC 2516 §4): how sessions begin and end, and no packet of theirs. */
const ETHERTYPE_PPPOE_DISCOVERY = 0x8863;

const GRE = encapsulationOf("gre");
const GRE_IN_UDP = encapsulationOf("gre-in-udp");

const NOT_IP = fateOf("decapsulate/not-ip");
const NOT_TCP = fateOf("decapsulate/not-tcp");
const PROTOCOL = fateOf("decapsulate/delivery-protocol");
const KEEPALIVE = fateOf("decapsulate/gre-keepalive");
const PPP = fateOf("decapsulate/ppp");

/** Takes one delivery header off: GRE, in UDP or not, with ERSPAN or without, VXLAN, Geneve. */
export class Delivery {
  /** After `skip`: what the header said of its sender. */
  readonly fields = new DeliveryFields();
  /** Ports that stand for an assigned one. */
  private readonly ports = new Map<number, number>([[PORT_VXLAN_LINUX, PORT_VXLAN]]);

  /** @param udpPorts what comes to further UDP ports */
  constructor(udpPorts: Readonly<Record<number, UdpEncapsulation>>) {
    for (const [port, encapsulation] of Object.entries(udpPorts)) {
      this.ports.set(Number(port), ASSIGNED_PORTS[encapsulation]);
    }
  }

  /** Moves past what stands behind an IP header with this `protocol`; the next one is a GRE protocol type, or an EtherType. */
  skip(view: DataView, cursor: Cursor): number {
    if (cursor.protocol === PROTOCOL_UDP) return this.skipInUdp(view, cursor);
    return cursor.protocol === PROTOCOL_GRE ? this.skipGre(view, cursor, GRE) : NOT_TCP;
  }

  private skipInUdp(view: DataView, cursor: Cursor): number {
    const fate = skipUdp(view, cursor);
    if (fate !== FATE_ALIVE) return fate;
    cursor.protocol = this.ports.get(cursor.protocol) ?? cursor.protocol;
    switch (cursor.protocol) {
      case PORT_GRE_IN_UDP:
        return this.skipGre(view, cursor, GRE_IN_UDP);
      case PORT_VXLAN:
      case PORT_VXLAN_GPE:
        return skipVxlan(view, cursor, this.fields, GRE_ETHERNET);
      case PORT_GENEVE:
        return skipGeneve(view, cursor, this.fields);
      default:
        return NOT_TCP;
    }
  }

  private skipGre(view: DataView, cursor: Cursor, encapsulation: number): number {
    this.fields.encapsulation = encapsulation;
    const fate = skipGre(view, cursor, this.fields);
    if (fate !== FATE_ALIVE) return fate;
    if (cursor.protocol !== GRE_ERSPAN_II && cursor.protocol !== GRE_ERSPAN_III) return FATE_ALIVE;
    return skipErspan(view, cursor, this.fields, GRE_ETHERNET);
  }
}

/**
 * Behind `skipShim`: whether what begins with this EtherType or GRE protocol type is an IP packet: FATE_ALIVE, or the fate
 * of what it is.
 */
export function refusal(protocol: number, isDelivered: boolean): number {
  switch (protocol) {
    case ETHERTYPE_IPV4:
    case ETHERTYPE_IPV6:
      return FATE_ALIVE;
    case ETHERTYPE_PPPOE_DISCOVERY:
      return PPP;
    case GRE_PPP:
      return isDelivered ? PPP : NOT_IP;
    case GRE_KEEPALIVE:
      return isDelivered ? KEEPALIVE : NOT_IP;
    default:
      return isDelivered ? PROTOCOL : NOT_IP;
  }
}
