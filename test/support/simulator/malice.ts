import { Random } from "../../bench/random.ts";
import { ACK, type Endpoint, FIN, keys, option, PSH, RST, SYN } from "../packets.ts";
import type { Packet, Passing } from "./network.ts";
import { peerOf } from "./plan.ts";
import type { SimulatedSession, Simulation } from "./simulation.ts";

/** What somebody who can send to the hosts, but has not seen their keys, may try; hosts refuse all of it. */
export const ATTACKS = [
  "join without proof",
  "join with a wrong HMAC",
  "join to a token of nobody",
  "guessed reset",
  "guessed FIN",
  "SYN on an open subflow",
  "fast close with a wrong key",
  "octets far from the window",
] as const;

/** An attack, and the share of the session's packets after which it comes. */
export interface AttackPlan {
  readonly kind: (typeof ATTACKS)[number];
  readonly after: number;
}

const EVIL = Buffer.from("never sent by a host of the session");
const AWAY = 0x4000_0000;

/** Where joins of somebody else come from. */
export const STRANGERS: readonly string[] = ["192.0.2.66", "fd00:bad::1"];

/** Adds the packets of attacks on the first session to those that passed agents. */
export function attacked(simulation: Simulation, attacks: readonly AttackPlan[], seed: number): Simulation {
  const [session] = simulation.sessions;
  // Not the numbers that the hosts' keys are made of.
  const random = new Random(~seed);
  let { passings } = simulation;
  for (const [n, { kind, after }] of attacks.entries()) {
    // Behind the handshake, and while the initial subflow is open.
    const close = passings.findIndex(({ packet }) => packet.meaning.subflow === 0 && packet.flags & (FIN | RST));
    const end = close < 0 ? passings.length : close;
    const at = Math.min(end, 20 + Math.floor(after * end));
    const before = passings[at - 1];
    const victim = passings.slice(0, at).findLast(({ packet }) => packet.flags === ACK && packet.meaning.subflow === 0);
    if (session === undefined || before === undefined || victim === undefined) continue;
    const forged = packetsOf(kind, session, victim.packet, random, n).map(
      (packet, i): Passing => ({
        ...before,
        path: victim.path,
        position: victim.position,
        atMicros: before.atMicros + i,
        packet,
      }),
    );
    passings = [...passings.slice(0, at), ...forged, ...passings.slice(at)];
  }
  return { ...simulation, passings };
}

/** The forged packets of one attack; `victim` is a segment of the initial subflow that has just passed. */
function packetsOf(
  kind: AttackPlan["kind"],
  { identity }: SimulatedSession,
  victim: Packet,
  random: Random,
  n: number,
): Packet[] {
  const { side } = victim.meaning;
  const meaning = { session: -1, subflow: -1, side, isn: 0, offset: -1, tags: [] };
  const made = (shape: Partial<Packet>): Packet => ({
    ...victim,
    flags: ACK,
    options: [],
    payload: new Uint8Array(0),
    ipId: 0x8000 + random.below(0x7fff),
    said: {},
    meaning,
    ...shape,
  });
  const mapped = option.dss({ ack: 1n, dsn: identity.dsn(side, 0), ssn: 1, length: EVIL.length });
  const onSubflow: Partial<Packet> = { seq: (victim.seq + AWAY) >>> 0 };
  switch (kind) {
    case "guessed reset":
      return [made({ ...onSubflow, flags: RST | ACK, options: [option.reset(0)] }), made({ ...onSubflow, flags: RST })];
    case "guessed FIN":
      return [made({ ...onSubflow, flags: ACK | FIN })];
    case "SYN on an open subflow":
      return [
        made({
          flags: SYN,
          seq: random.uint32(),
          ack: 0,
          options: [option.capable(identity.version, identity.version === 0 ? [random.octets(8)] : [])],
        }),
      ];
    case "fast close with a wrong key":
      return [made({ options: [option.fastclose(random.octets(8))] })];
    case "octets far from the window":
      return [made({ seq: (victim.seq + 2 * AWAY) >>> 0, flags: ACK | PSH, options: [mapped], payload: EVIL })];
    default:
      return joins(kind, identity, victim.to, made, random, n, mapped);
  }
}

/** A join of somebody else, to where the victim's segment went. */
function joins(
  kind: AttackPlan["kind"],
  identity: SimulatedSession["identity"],
  to: Endpoint,
  made: (shape: Partial<Packet>) => Packet,
  random: Random,
  n: number,
  mapped: Uint8Array,
): Packet[] {
  const from = { ip: STRANGERS[to.ip.includes(":") ? 1 : 0] ?? "", port: 6_000 + n };
  const listener = to.port === 443 ? 1 : 0;
  const opener = peerOf(listener);
  const [isn, answer, nonce, reply] = [random.uint32(), random.uint32(), random.uint32(), random.uint32()];
  const token = kind === "join to a token of nobody" ? random.uint32() : identity.tokens[listener];
  const hmac = keys.hmac(identity.version, identity.keys[listener], identity.keys[opener], reply, nonce);
  const here = { from, to, seq: (isn + 1) >>> 0, ack: (answer + 1) >>> 0 };
  const data = made({ ...here, flags: ACK | PSH, options: [mapped], payload: EVIL });
  const syn = made({ ...here, flags: SYN, seq: isn, ack: 0, options: [option.joinSyn(token, nonce, 9)] });
  if (kind === "join to a token of nobody") return [syn, data];
  const back = { from: to, to: from, flags: SYN | ACK, seq: answer, ack: here.seq };
  const synAck = made({ ...back, options: [option.joinSynAck(hmac, reply, 7)] });
  if (kind === "join without proof") return [syn, synAck, data];
  const third = made({ ...here, options: [option.joinAck(random.octets(20))] });
  // RFC 8684 §3.2: the listener refuses a wrong HMAC with a RST.
  return [syn, synAck, third, data, made({ ...back, flags: RST, seq: here.ack, ack: 0 })];
}
