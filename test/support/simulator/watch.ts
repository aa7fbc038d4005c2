import { Random } from "../../bench/random.ts";
import { FIN, RST, SYN, segment } from "../packets.ts";
import type { RunPacket } from "../pipeline-run.ts";
import type { Mapping, Packet, Passing } from "./network.ts";
import { type AgentPlan, peerOf } from "./plan.ts";
import type { Simulation } from "./simulation.ts";

/** An octet of a stream was in a copy; also one of its subflow states its mapping; or the same one does. Otherwise 0. */
const SEEN = 1;
export const MAPPED = 2;
export const STATED = 3;

/** What all agents together saw of one session. */
export interface Sight {
  /** 0, SEEN, MAPPED or STATED for each octet of each side's stream. */
  readonly octets: readonly [Uint8Array, Uint8Array];
  /** The DATA_FIN of each side was seen. */
  readonly fins: [boolean, boolean];
  /** Per subflow and side what was seen of it: `syn`, `syn-ack`, `ack`, `data`, `fin`, `rst`, `fastclose`, ... */
  readonly subflows: Map<number, [Set<string>, Set<string>]>;
  /** How far each side's stream was acknowledged in a copy, a DATA_FIN being one more; null: in none. */
  readonly acked: [number | null, number | null];
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

const NO_MAPPING: Mapping = { offset: 0, ssn: 0, length: 0, fin: false, capable: false };

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
      acked: [null, null],
    }),
  );
  const mappings = new Map<string, Set<Mapping>>();
  for (const copy of copies) {
    const sight = sights[copy.packet.meaning.session];
    const { subflow, session, side } = copy.packet.meaning;
    if (sight === undefined || subflow < 0) continue;
    const key = `${session} ${subflow} ${side}`;
    const known = mappings.get(key) ?? new Set();
    mappings.set(key, known);
    if (noteStatements(sight, copy)) known.add(copy.packet.said.mapping ?? NO_MAPPING);
  }
  for (const copy of copies) {
    const { subflow, session, side } = copy.packet.meaning;
    const sight = sights[session];
    const identity = sessions[session]?.identity;
    if (sight === undefined || subflow < 0) continue;
    if (copy.packet.flags & SYN) {
      const captured = Math.max(copy.octets.length - headersOf(copy), 0);
      sight.octets[side].fill(
        STATED,
        0,
        Math.min(captured, copy.packet.payload.length > 0 ? (identity?.taken ?? 0) : 0),
      );
    } else {
      noteOctets(sight.octets[side], copy, mappings.get(`${session} ${subflow} ${side}`) ?? new Set());
    }
  }
  return sights;
}

const headersOf = ({ packet, wire }: Copy): number => wire - packet.payload.length;

/** Notes what a copy's options and flags say; false where it was cut inside its headers. */
function noteStatements(sight: Sight, copy: Copy): boolean {
  const { payload, said, flags, options, meaning } = copy.packet;
  const { side, subflow } = meaning;
  const tags = sight.subflows.get(subflow) ?? [new Set<string>(), new Set<string>()];
  sight.subflows.set(subflow, tags);
  tags[side].add(flags & RST ? "rst" : payload.length > 0 && !(flags & SYN) ? "data" : "segment");
  const length = options.reduce((sum, option) => sum + option.length, 0);
  // Padding may be missing.
  const padding = -length & 3;
  // A FIN shows before the options, which may be cut.
  if (flags & FIN && copy.octets.length >= headersOf(copy) - length - padding) tags[side].add("fin");
  if (copy.octets.length < headersOf(copy) - padding) return false;
  for (const tag of meaning.tags) tags[side].add(tag);
  if (flags & SYN && payload.length > 0) tags[side].add("syn-octets");
  if (said.dataAck !== undefined) {
    const peer = peerOf(side);
    sight.acked[peer] = Math.max(sight.acked[peer] ?? 0, said.dataAck);
  }
  if (said.mapping?.fin) sight.fins[side] = true;
  return true;
}

/** Notes the octets of a copy's payload, given all mappings that were seen of its direction. */
function noteOctets(map: Uint8Array, copy: Copy, mappings: ReadonlySet<Mapping>): void {
  const { said, meaning, seq } = copy.packet;
  const { offset } = meaning;
  if (offset < 0) return;
  const ssn = (seq - meaning.isn) >>> 0;
  const own = said.mapping ?? NO_MAPPING;
  const near = [...mappings].filter((one) => one.ssn < ssn + copy.packet.payload.length && one.ssn + one.length > ssn);
  for (let n = 0; n < copy.octets.length - headersOf(copy); n++) {
    const isAt = ({ ssn: from, length }: Mapping): boolean => ssn + n >= from && ssn + n < from + length;
    const grade = isAt(own) ? STATED : near.some(isAt) ? MAPPED : SEEN;
    map[offset + n] = Math.max(map[offset + n] ?? 0, grade);
  }
}
