import { Random } from "../../bench/random.ts";
import { RST, segment } from "../packets.ts";
import type { RunPacket } from "../pipeline-run.ts";
import type { Packet, Passing } from "./network.ts";
import type { AgentPlan, Side } from "./plan.ts";
import type { Simulation } from "./simulation.ts";

/** An octet of a stream was in no copy, in one, or in one that also states its mapping. */
export const UNSEEN = 0;
export const SEEN = 1;
export const MAPPED = 2;

/** What all agents together saw of one session. */
export interface Sight {
  /** UNSEEN, SEEN or MAPPED for each octet of each side's stream. */
  readonly octets: readonly [Uint8Array, Uint8Array];
  /** The DATA_FIN of each side was seen. */
  readonly fins: [boolean, boolean];
  /** Per subflow and side what was seen of it: `syn`, `syn-ack`, `ack`, `data`, `fin`, `rst`, `fastclose`, ... */
  readonly subflows: Map<number, [Set<string>, Set<string>]>;
  /** Highest octet of each side's stream that its peer acknowledged in a copy. */
  readonly acked: [number, number];
}

/** A copy of a packet, and what it is a copy of. */
export interface Copy extends RunPacket {
  readonly source: number;
  readonly packet: Packet;
}

/** What agents made of a simulation. */
export interface Watched {
  /** In the order in which they came; times never step back. */
  readonly copies: readonly Copy[];
  readonly sights: readonly Sight[];
}

/** Octets of a segment as its agent sees them, by packet and place: what differs between places are addresses. */
const octetsOf = (packet: Packet): Buffer => segment({ ...packet });

/** Has agents copy what passed them; agent n is the pipeline's source n. */
export function watch(simulation: Simulation, agents: readonly AgentPlan[], seed: number): Watched {
  const random = new Random(seed);
  const chance = (share: number): boolean => share > 0 && random.below(1_000_000) < share * 1_000_000;
  const copies: Copy[] = [];
  for (const passing of simulation.passings) {
    for (const [source, agent] of agents.entries()) {
      if (!isWatching(agent, passing) || chance(agent.loss)) continue;
      const { packet } = passing;
      const whole = octetsOf(packet);
      const octets = whole.subarray(0, agent.snap);
      const atMicros = passing.atMicros + agent.lagMillis * 1000;
      copies.push({ atMicros, wire: whole.length, octets, source, packet });
      if (chance(agent.doubled)) copies.push({ atMicros: atMicros + 10, wire: whole.length, octets, source, packet });
    }
  }
  copies.sort((a, b) => a.atMicros - b.atMicros || a.source - b.source);
  return { copies, sights: sightsOf(simulation, copies) };
}

function isWatching({ path, position, only }: AgentPlan, passing: Passing): boolean {
  const { side } = passing.packet.meaning;
  return (path === null || path === passing.path) && position === passing.position && (only === null || only === side);
}

/** What copies show of each session. */
export function sightsOf({ sessions }: Simulation, copies: readonly Copy[]): Sight[] {
  const sights = sessions.map(
    ({ streams: [initiator, responder] }): Sight => ({
      octets: [new Uint8Array(initiator.length), new Uint8Array(responder.length)],
      fins: [false, false],
      subflows: new Map(),
      acked: [0, 0],
    }),
  );
  for (const copy of copies) {
    const sight = sights[copy.packet.meaning.session];
    if (sight !== undefined && copy.packet.meaning.subflow >= 0) note(sight, copy);
  }
  return sights;
}

function note(sight: Sight, { packet, octets, wire }: Copy): void {
  const { payload, said, flags, meaning } = packet;
  const { side, offset, subflow } = meaning;
  const headers = wire - payload.length;
  const tags = sight.subflows.get(subflow) ?? [new Set<string>(), new Set<string>()];
  sight.subflows.set(subflow, tags);
  tags[side].add(flags & RST ? "rst" : payload.length > 0 ? "data" : "segment");
  if (octets.length < headers) return;
  for (const tag of meaning.tags) tags[side].add(tag);
  if (said.dataAck !== undefined) {
    const peer: Side = side === 0 ? 1 : 0;
    sight.acked[peer] = Math.max(sight.acked[peer], said.dataAck);
  }
  if (said.mapping?.fin) sight.fins[side] = true;
  if (offset < 0) return;
  const captured = octets.length - headers;
  for (let at = offset; at < offset + captured; at++) {
    const grade = said.mapping !== undefined && isInside(at, said.mapping) ? MAPPED : SEEN;
    if (grade > (sight.octets[side][at] ?? 0)) sight.octets[side][at] = grade;
  }
}

const isInside = (at: number, { offset, length }: { offset: number; length: number }): boolean =>
  at >= offset && at < offset + length;
