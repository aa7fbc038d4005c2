import { Random } from "../../bench/random.ts";
import { ACK, SYN } from "../packets.ts";
import { Host } from "./host.ts";
import { Identity } from "./identity.ts";
import { abort, happen } from "./interruptions.ts";
import { type Box, isMptcp, NAT_PORTS, type Passing, Path, stripped } from "./network.ts";
import type { JoinPlan, SessionPlan, Side } from "./plan.ts";
import { SubflowEnd } from "./subflow-end.ts";
import { Timeline } from "./timeline.ts";

/** Time of the first packet. */
const BEGIN = 1_790_000_000_000_000;
/** Nothing of a session happens later. */
const LONGEST_MICROS = 100_000_000;
const MILLI = 1000;
const FIRST_PORT = 40_000;

/** What is certain of a session, whoever watches. */
export interface SimulatedSession {
  readonly plan: SessionPlan;
  readonly identity: Identity;
  readonly streams: readonly [Uint8Array, Uint8Array];
  readonly hosts: readonly [Host, Host];
  /** Who opened each subflow, by its number. */
  readonly openers: readonly Side[];
  /** Addresses of its initiator, which no other session has. */
  readonly addresses: readonly string[];
}

/** The number in its session of the subflow whose end on the initiator's side has this port. */
export const subflowOfPort = (port: number): number => (port - FIRST_PORT) % NAT_PORTS;

/** Sessions that took place, and every packet that passed a place where an agent may stand. */
export interface Simulation {
  readonly sessions: readonly SimulatedSession[];
  readonly passings: readonly Passing[];
}

/** A session and its place among others. */
export interface StagedPlan {
  readonly plan: SessionPlan;
  readonly beginMillis: number;
  /** Keys to use instead of random ones. */
  readonly keys?: readonly [Uint8Array, Uint8Array];
  /** Number of the responder's host; all sessions have the same where nothing is said. */
  readonly server?: number;
}

const BOXES: Record<SessionPlan["stripped"], (plan: SessionPlan) => Box> = {
  nothing: () => (packet) => packet,
  "syn-ack": () => (packet) => ((packet.flags & (SYN | ACK)) === (SYN | ACK) ? stripped(packet) : packet),
  "ack-and-data": () => (packet, side) => (side === 0 && (packet.flags & SYN) === 0 ? stripped(packet) : packet),
  "syn-dropped": () => (packet) => ((packet.flags & (SYN | ACK)) === SYN && isMptcp(packet) ? null : packet),
  midway: ({ unstripped }) => {
    let passed = 0;
    return (packet) => {
      if (packet.flags & SYN) return packet;
      if (packet.payload.length > 0) passed++;
      return passed > unstripped ? stripped(packet) : packet;
    };
  },
};

/** Lets these sessions take place; the same seed gives the same packets. */
export function simulate(staged: readonly StagedPlan[], seed: number): Simulation {
  const random = new Random(seed);
  const timeline = new Timeline(BEGIN);
  const passings: Passing[] = [];
  const sessions = staged.map((one, session) => {
    // There is one pair of keys whose numbers wrap, and no two sessions of a host have the same.
    const plan = session === 0 ? one.plan : { ...one.plan, wrapDsn: false };
    return stage({ ...one, plan }, session, timeline, random, passings);
  });
  timeline.run(BEGIN + LONGEST_MICROS);
  return { sessions, passings };
}

function stage(
  { plan, beginMillis, keys, server = 0 }: StagedPlan,
  session: number,
  timeline: Timeline,
  random: Random,
  passings: Passing[],
): SimulatedSession {
  const streams = [random.octets(plan.octets[0]), random.octets(plan.octets[1])] as const;
  const identity = new Identity(plan, streams, random, keys);
  const begin = beginMillis * MILLI;
  const isWatched = (): boolean =>
    plan.ending !== "abandon" || timeline.now < BEGIN + begin + plan.endingAtMillis * MILLI;
  const paths = plan.paths.map((way, path) => {
    const made = new Path(way, { session, path, server }, timeline, random, (passing) => {
      if (isWatched()) passings.push(passing);
    });
    made.box = BOXES[plan.stripped](plan);
    return made;
  });
  const hosts = [
    new Host(0, plan, identity, streams, timeline, random),
    new Host(1, plan, identity, streams, timeline, random),
  ] as const;
  const openers: Side[] = [];
  const route = new Map<string, SubflowEnd>();
  for (const [n, path] of paths.entries()) {
    for (const side of [0, 1] as const) {
      path.receive[side] = (packet) => route.get(`${n} ${side} ${packet.from.port} ${packet.to.port}`)?.receive(packet);
    }
  }

  const open = ({ opener, path, backup }: Omit<JoinPlan, "atMillis">): void => {
    const way = paths[path % paths.length];
    if (way === undefined) return;
    const number = openers.length;
    openers.push(opener);
    const ports = [FIRST_PORT + number, opener === 0 ? 443 : 8_000 + number] as const;
    const [own, translated, responder] = way.ips;
    const seen = { ip: translated, port: translated === own ? ports[0] : ports[0] + NAT_PORTS };
    const pairs = [
      [
        { ip: own, port: ports[0] },
        { ip: responder, port: ports[1] },
      ],
      [{ ip: responder, port: ports[1] }, seen],
    ] as const;
    for (const side of [0, 1] as const) {
      const isn = plan.wrapTcp ? 0x1_0000_0000 - 1 - random.below(3000) : random.uint32();
      const [mine, theirs] = pairs[side];
      const end = new SubflowEnd(hosts[side], {
        session,
        number,
        side,
        opener,
        path: way,
        own: mine,
        peer: theirs,
        isn,
        nonce: random.uint32(),
        isBackup: backup,
        timestamps: plan.timestamps,
      });
      hosts[side].ends.push(end);
      route.set(`${path % paths.length} ${side} ${theirs.port} ${mine.port}`, end);
    }
    hosts[opener].ends.at(-1)?.open();
  };
  const join = (shape: JoinPlan, tries: number): void => {
    const [one, other] = hosts;
    if (one.isDone || other.isDone || one.isPlain || other.isPlain || tries > 20) return;
    if (one.isEstablished && other.isEstablished) open(shape);
    else timeline.after(100 * MILLI, () => join(shape, tries + 1));
  };

  timeline.after(begin, () => open({ opener: 0, path: 0, backup: false }));
  for (const shape of plan.joins) timeline.after(begin + shape.atMillis * MILLI, () => join(shape, 0));
  for (const event of plan.events)
    timeline.after(begin + event.atMillis * MILLI, () => happen(hosts[event.side], event));
  const { ending } = plan;
  if (ending !== "fin" && ending !== "abandon") {
    timeline.after(begin + plan.endingAtMillis * MILLI, () => abort(hosts[plan.endingBy], ending));
  }
  const addresses = paths.flatMap(({ ips }) => ips.slice(0, 2));
  return { plan, identity, streams, hosts, openers, addresses };
}
