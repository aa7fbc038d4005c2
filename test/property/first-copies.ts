import { type Run, run } from "../support/pipeline-run.ts";
import { isMptcp } from "../support/simulator/network.ts";
import type { AgentPlan, SessionPlan } from "../support/simulator/plan.ts";
import { type SimulatedSession, type Simulation, simulate } from "../support/simulator/simulation.ts";
import { type Copy, watch } from "../support/simulator/watch.ts";
import type { LaterOctets } from "./expectation.ts";
import { PlacedOctets } from "./placed-octets.ts";
import { shownFallbacks } from "./shown-fallback.ts";

/** Of one stream: the octets that came first, and where others came later. */
export interface FirstCopies {
  /** The octets that came first; where none came, those that were sent. */
  readonly octets: Uint8Array;
  /** How often another octet came again at each place. */
  readonly differing: Uint8Array;
  /**
   * How many of them came without any option before the fallback showed for certain: the mapping that they need until then
   * may be forgotten (RFC 8684 §3.3.1 in docs/rfc-coverage.md). After it, a single one may be that of a keep-alive.
   */
  uncovered: number;
}

/** A time of a record, in microseconds since 1970. */
const microsOf = (text: string): number => Date.parse(`${text.slice(0, 19)}Z`) * 1000 + Number(text.slice(20, 26));

/**
 * When the record of the only session ends that saw its handshake, as it tells that; null where it is not closed. What a host
 * goes on repeating after the session was closed, and its record ended, is in another.
 */
function endOf({ records }: Run): string | null {
  const [record] = records
    .filter(({ mptcp }) => mptcp.session.evidence === "handshake")
    .toSorted((a, b) => (a.event.start < b.event.start ? -1 : 1));
  const isClosed = ["fin", "reset", "fastclose"].includes(record?.mptcp.close?.reason ?? "");
  return record !== undefined && isClosed ? record.event.end : null;
}

/** What copies brought after this moment. */
function laterOctets(copies: readonly Copy[], since: string): LaterOctets {
  const octets = new Set<string>();
  for (const { packet, atMicros } of copies) {
    const { side, offset } = packet.meaning;
    if (atMicros <= microsOf(since)) continue;
    for (const [n, octet] of packet.payload.entries()) octets.add(`${side} ${offset + n} ${octet}`);
  }
  return { since, has: (side, offset, octet) => octets.has(`${side} ${offset} ${octet}`) };
}

/**
 * What copies of the only session bring of both streams, in the order in which they come; every segment states its mapping,
 * or needs none. A second copy of one packet, of another agent, brings nothing.
 */
function firstCopies({ streams }: SimulatedSession, copies: readonly Copy[]): [FirstCopies, FirstCopies] {
  const made = streams.map((stream) => ({
    octets: Uint8Array.from(stream),
    differing: new Uint8Array(stream.length),
    came: new Uint8Array(stream.length),
    uncovered: 0,
  }));
  const turn = shownFallbacks(copies).find(({ isCertain }) => isCertain)?.packet;
  let isPlain = false;
  for (const packet of new Set(copies.map((copy) => copy.packet))) {
    const { side, offset } = packet.meaning;
    const one = made[side];
    isPlain ||= packet === turn;
    if (one === undefined || offset < 0) continue;
    for (const [n, octet] of packet.payload.entries()) {
      const at = offset + n;
      if (one.came[at] === 0) one.octets[at] = octet;
      else if (one.octets[at] !== octet) {
        one.differing[at] = (one.differing[at] ?? 0) + 1;
        if ((!isPlain || packet.payload.length === 1) && !isMptcp(packet)) one.uncovered++;
      }
      one.came[at] = 1;
    }
  }
  const [initiator, responder] = made;
  if (initiator === undefined || responder === undefined) throw new Error("two sides");
  return [initiator, responder];
}

/** How many octets of each side came again and were others. */
const conflictsOf = (first: readonly [FirstCopies, FirstCopies]): readonly [number, number] => {
  const count = ({ differing }: FirstCopies): number => differing.reduce((sum, one) => sum + one, 0);
  return [count(first[0]), count(first[1])];
};

/** The simulation as if the hosts had sent what came first: a record is to tell no other octets. */
function asItCame(simulation: Simulation, [initiator, responder]: readonly [FirstCopies, FirstCopies]): Simulation {
  const streams = [initiator.octets, responder.octets] as const;
  return { ...simulation, sessions: simulation.sessions.map((session) => ({ ...session, streams })) };
}

/**
 * One session on whose paths somebody changes octets, `batch` packets to a vector: what agents made of it, and what came
 * first.
 */
export function observeChanged(plan: SessionPlan, agents: readonly AgentPlan[], seed: number, batch = 64) {
  const sent = simulate([{ plan, beginMillis: 0 }], seed);
  const { copies, sights } = watch(sent, agents, seed);
  const [session] = sent.sessions;
  const [sight] = sights;
  if (session === undefined || sight === undefined) throw new Error("no session");
  const placed = new PlacedOctets();
  const found = run(copies, { octets: placed }, batch);
  const end = endOf(found);
  const inRecord = end === null ? copies : copies.filter(({ atMicros }) => atMicros <= microsOf(end));
  const first = firstCopies(session, inRecord);
  const observed = {
    run: found,
    placed,
    simulation: asItCame(sent, first),
    later: end === null ? undefined : laterOctets(copies, end),
    sights,
    conflicting: conflictsOf(first),
    uncovered: [first[0].uncovered, first[1].uncovered] as const,
  };
  return { observed, session, sight, copies, first };
}
