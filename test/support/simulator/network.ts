import type { Random } from "../../bench/random.ts";
import { type Endpoint, SYN } from "../packets.ts";
import { type PathPlan, peerOf, type Side } from "./plan.ts";
import type { Timeline } from "./timeline.ts";

/** From where on a stream and its subflow are in step for good (RFC 8684 §3.7). */
export interface Infinite {
  readonly offset: number;
  readonly ssn: number;
}

/** Which octets of the sender's stream a mapping places where on a subflow. */
export interface Mapping {
  readonly offset: number;
  readonly ssn: number;
  /** Octets of payload; a DATA_FIN counts apart. */
  readonly length: number;
  readonly fin: boolean;
  /** Stated in a MP_CAPABLE. */
  readonly capable: boolean;
  /** Stated in its place: the infinite mapping that its octets are the first new ones behind. */
  readonly infinite?: Infinite;
}

/** What a segment's MPTCP options say, for the host that receives them: no host decodes octets here. */
export interface Said {
  readonly capable?: boolean;
  readonly joinNonce?: number;
  readonly dataAck?: number;
  readonly mapping?: Mapping;
  readonly infinite?: Infinite;
  readonly fastclose?: boolean;
  /** Offset in the peer's stream of a mapping whose checksum is wrong. */
  readonly fail?: number;
}

/** What a segment is, for the truth: nothing of it is on the wire. */
export interface Meaning {
  readonly session: number;
  /** Number of the subflow in its session; -1 for one that is nobody's. */
  readonly subflow: number;
  readonly side: Side;
  /** Initial sequence number of the sender. */
  readonly isn: number;
  /** Place of the payload in the sender's stream; -1 where it is in none. */
  readonly offset: number;
  /** Rare things it tells, such as `syn` or `fastclose`. */
  readonly tags: readonly string[];
}

/** A TCP segment on its way. */
export interface Packet {
  readonly from: Endpoint;
  readonly to: Endpoint;
  readonly flags: number;
  readonly seq: number;
  readonly ack: number;
  readonly options: readonly Uint8Array[];
  readonly payload: Uint8Array;
  readonly ipId: number;
  readonly said: Said;
  readonly meaning: Meaning;
}

/** A packet that passed an agent's place. */
export interface Passing {
  readonly atMicros: number;
  readonly path: number;
  readonly position: 0 | 1;
  readonly packet: Packet;
}

type Link = 0 | 1 | 2;
type Links = [number, number, number];

/** A middlebox's change to a packet of this side; null when it lets it not pass. */
export type Box = (packet: Packet, side: Side) => Packet | null;

/** Whether a packet carries an MPTCP option. */
export const isMptcp = ({ options }: Packet): boolean => options.some(([kind]) => kind === 30);

/** A packet without its MPTCP options. */
export const stripped = (packet: Packet): Packet => ({
  ...packet,
  options: packet.options.filter(([kind]) => kind !== 30),
  said: {},
});

/** Somebody at a middlebox who changes octets changes these bits of each. */
export const CHANGED = 0x55;

/** A translated port is this much higher. */
export const NAT_PORTS = 1000;

const translate = (end: Endpoint, from: string, to: string, ports: number): Endpoint =>
  end.ip === from ? { ip: to, port: (end.port + ports) & 0xffff } : end;

/** One path: loses, delays, doubles and translates packets, and shows them to whoever stands at its two places. */
export class Path {
  readonly plan: PathPlan;
  /** The initiator's address as itself and as the responder knows it, and the responder's. */
  readonly ips: readonly [own: string, translated: string, responder: string];
  /** Who takes packets at each end. */
  readonly receive: [(packet: Packet) => void, (packet: Packet) => void] = [() => {}, () => {}];
  box: Box = (packet) => packet;
  private readonly number: number;
  private readonly timeline: Timeline;
  private readonly random: Random;
  private readonly passed: (passing: Passing) => void;
  /** Microseconds of each direction's links: no two are the same, so that agents hardly see two packets at one moment. */
  private readonly delays: readonly [Links, Links];
  /** When each of them may deliver the next packet. */
  private readonly free: readonly [Links, Links] = [
    [0, 0, 0],
    [0, 0, 0],
  ];

  constructor(
    plan: PathPlan,
    place: { readonly session: number; readonly path: number; readonly server: number },
    timeline: Timeline,
    random: Random,
    passed: (passing: Passing) => void,
  ) {
    const { session, path, server } = place;
    this.plan = plan;
    this.number = path;
    this.timeline = timeline;
    this.random = random;
    this.passed = passed;
    const delay = (): number => (plan.delayMillis * 1000) / 3 + random.below(500);
    this.delays = [
      [delay(), delay(), delay()],
      [delay(), delay(), delay()],
    ];
    // An initiator is one session's alone, a responder serves many.
    const own = plan.ipv6 ? `fd00:${path + 1}::${session + 1}` : `10.${path + 1}.${session}.1`;
    const natted = plan.ipv6 ? `fd00:ff:${path + 1}::${session + 1}` : `172.16.${path + 1}.${session + 1}`;
    this.ips = [
      own,
      plan.nat ? natted : own,
      plan.ipv6 ? `fd00:${path + 1}:ffff::${server + 1}` : `10.${path + 1}.255.${server + 1}`,
    ];
  }

  /** Sends a packet from one side towards the other. */
  send(packet: Packet, side: Side): void {
    this.link(packet, side, 0);
  }

  /** The three links in the sender's direction; between the first two and the last two somebody watches. */
  private link(packet: Packet, side: Side, link: Link): void {
    const { plan, random, timeline } = this;
    const chance = random.below(1_000_000) / 1_000_000;
    if (chance < plan.loss / 3) return;
    const times = chance > 1 - plan.doubled / 3 ? 2 : 1;
    for (let n = 0; n < times; n++) {
      const micros = this.delays[side][link] + random.below(plan.jitterMillis * 333 + 1);
      // Without jitter packets stay in order, one after the other.
      const isOrdered = plan.jitterMillis === 0;
      const at = Math.max(timeline.now + micros, isOrdered ? this.free[side][link] : 0);
      this.free[side][link] = at + 1;
      timeline.after(at - timeline.now, () => this.arrive(packet, side, link));
    }
  }

  private arrive(packet: Packet, side: Side, link: Link): void {
    if (link === 2) {
      this.receive[peerOf(side)](packet);
      return;
    }
    const position = link === side ? 0 : 1;
    this.passed({ atMicros: this.timeline.now, path: this.number, position, packet });
    const passed = link === 0 ? this.box(this.tampered(this.translated(packet, side)), side) : packet;
    if (passed !== null) this.link(passed, side, link === 0 ? 1 : 2);
  }

  /** A packet of which somebody may have changed octets, never all of them. */
  private tampered(packet: Packet): Packet {
    const { random } = this;
    const { tampered } = this.plan;
    const { length } = packet.payload;
    if (tampered === 0 || length === 0 || packet.flags & SYN || random.below(1_000_000) >= tampered * 1e6)
      return packet;
    const from = random.below(length);
    const to = Math.min(length, from + 1 + random.below(20));
    return { ...packet, payload: packet.payload.map((octet, at) => (at >= from && at < to ? octet ^ CHANGED : octet)) };
  }

  private translated(packet: Packet, side: Side): Packet {
    const [own, natted] = this.ips;
    if (own === natted) return packet;
    return side === 0
      ? { ...packet, from: translate(packet.from, own, natted, NAT_PORTS) }
      : { ...packet, to: translate(packet.to, natted, own, -NAT_PORTS) };
  }
}
