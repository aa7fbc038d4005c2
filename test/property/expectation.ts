import { createHash } from "node:crypto";
import { expect } from "vitest";
import { type SessionRecord, type StreamRecord, sessionRecord } from "../../schema/session-record.ts";
import { fateOf } from "../../src/fate.ts";
import type { Run } from "../support/pipeline-run.ts";
import { STRANGERS } from "../support/simulator/malice.ts";
import { type SimulatedSession, type Simulation, subflowOfPort } from "../support/simulator/simulation.ts";
import { type Copy, MAPPED, type Sight, STATED } from "../support/simulator/watch.ts";
import type { PlacedOctets } from "./placed-octets.ts";

/** Fates of packets that are in a record. */
const TAKEN = new Set([fateOf("session/counted"), fateOf("subflow/mirror-duplicate")]);

const SIDES = ["initiator", "responder"] as const;

/** What a pipeline said, what it placed, and what took place. */
export interface Observed {
  readonly run: Run;
  readonly placed: PlacedOctets;
  readonly simulation: Simulation;
  readonly sights: readonly Sight[];
  /** What copies brought after the only session's record had ended, where octets are changed on the way. */
  readonly later?: LaterOctets | undefined;
  /** Octets of each side's stream that came again and were others; none where nothing is said. */
  readonly conflicting?: readonly [number, number];
  /** How many of these may not have been placed, and so not compared. */
  readonly uncovered?: readonly [number, number];
}

/** Octets of the only session that copies brought after its record had ended. */
export interface LaterOctets {
  /** When that was, as records tell it. */
  readonly since: string;
  /** Whether some copy had this octet at this offset of a side's stream. */
  readonly has: (side: 0 | 1, offset: number, octet: number) => boolean;
}

const hexToken = (token: number): string => `0x${token.toString(16).padStart(8, "0")}`;

const sha256 = (octets: Uint8Array): string => createHash("sha256").update(octets).digest("hex");

/** How many octets of a map have at least this grade. */
const count = (map: Uint8Array, least: number): number => map.reduce((sum, one) => sum + (one >= least ? 1 : 0), 0);

/** The number of the session that a record is of, by the initiator's address; -1 for nobody's. */
function sessionOf(record: SessionRecord, { sessions }: Simulation): number {
  return sessions.findIndex(({ addresses }) =>
    [record.source.ip, record.destination.ip].some((ip) => addresses.includes(ip)),
  );
}

/** Records of sessions whose handshake was seen, each with its session. */
function* handshakes({ run, placed, simulation, sights }: Observed) {
  for (const record of run.records) {
    if (record.mptcp.session.evidence !== "handshake") continue;
    const number = sessionOf(record, simulation);
    const [session, sight] = [simulation.sessions[number], sights[number]];
    if (session !== undefined && sight !== undefined) yield { record, ...known(record, session, sight, placed) };
  }
}

/**
 * A session as far as an observer can know it: who did not see the octets of its SYN, or saw them too late, knows of none,
 * and has the initiator's stream begin behind them, at IDSN + 1.
 */
function known(record: SessionRecord, session: SimulatedSession, sight: Sight, placed: PlacedOctets) {
  const [sent, answer] = session.streams;
  const { taken } = session.identity;
  const wasSeen = sight.subflows.get(0)?.[0].has("syn-octets");
  const pieces = placed.pieces.get(record.mptcp.session.id) ?? [];
  const { complete, octets: told } = record.mptcp.stream.initiator;
  const isWhole =
    (!complete || told === sent.length) &&
    pieces.every(
      ({ side, offset, octets }) => side === 1 || octets.equals(sent.subarray(offset, offset + octets.length)),
    );
  if (taken === 0 || (wasSeen && isWhole)) return { session, sight };
  const { octets, acked } = sight;
  return {
    session: { ...session, streams: [sent.subarray(taken), answer] as const },
    sight: {
      ...sight,
      octets: [octets[0].subarray(taken), octets[1]] as const,
      acked: [acked[0] === null ? null : acked[0] - taken, acked[1]] as [number | null, number | null],
    },
  };
}

/**
 * What holds however badly agents watch: each packet has one fate, each record is one, and what it says is true as far as
 * it goes. No octet that was not sent, no verdict that cannot be, no end that was none.
 */
export function expectNothingWrong(observed: Observed): void {
  const { run, placed } = observed;
  const { totals, records, fates } = run;
  expect(Object.values(totals.packets).reduce((sum, packets) => sum + packets, 0)).toBe(fates.length);
  expect(fates.filter((fate) => fate < 2)).toEqual([]);
  expect(totals.sessions.live).toBe(0);
  for (const record of records) expect(sessionRecord.safeParse(record).error?.issues ?? []).toEqual([]);
  const ids = records.map(({ mptcp }) => mptcp.session.id);
  expect(new Set(ids).size).toBe(ids.length);
  for (const { record, session, sight } of handshakes(observed)) {
    expectTrueIdentity(record, session);
    for (const side of [0, 1] as const) {
      expectTrueStream(record, session, sight, side, placed);
      expectConflicts(
        record.mptcp.stream[SIDES[side] ?? "initiator"],
        observed.conflicting?.[side] ?? 0,
        observed.uncovered?.[side] ?? 0,
      );
    }
    for (const subflow of record.mptcp.subflows) {
      if (isStrange(subflow)) expect(subflow.join?.hmac[subflow.opener]).not.toBe("verified");
      else expectTrueSubflow(subflow, session);
    }
  }
  for (const record of records) {
    if (record.mptcp.session.evidence !== "handshake" && !isStrange(record)) expectTruePieces(record, observed);
  }
}

/** Whether somebody who belongs to no session opened it. */
const isStrange = ({ source, destination }: Pick<SessionRecord, "source" | "destination">): boolean =>
  STRANGERS.includes(source.ip) || STRANGERS.includes(destination.ip);

function expectTrueIdentity({ mptcp }: SessionRecord, { identity, plan }: SimulatedSession): void {
  for (const [side, name] of SIDES.entries()) {
    expect([null, hexToken(identity.tokens[side] ?? 0)]).toContain(mptcp.token[name]);
    expect([null, String(identity.idsns[side])]).toContain(mptcp.idsn[name]);
  }
  expect([null, plan.version]).toContain(mptcp.version);
}

/** A stream of a session whose beginning is known: octets are those that were sent, and were seen. */
function expectTrueStream(
  { mptcp }: SessionRecord,
  { streams, hosts }: SimulatedSession,
  sight: Sight,
  side: 0 | 1,
  placed: PlacedOctets,
): void {
  const stream = mptcp.stream[SIDES[side] ?? "initiator"];
  const sent = streams[side];
  const seen = sight.octets[side];
  for (const piece of placed.pieces.get(mptcp.session.id) ?? []) {
    if (piece.side !== side) continue;
    const truth = sent.subarray(piece.offset, piece.offset + piece.octets.length);
    expect(piece.octets.equals(truth), `octets of the ${SIDES[side]} at ${piece.offset}`).toBe(true);
  }
  const map = placed.map(mptcp.session.id, side, sent.length);
  // Nothing is told twice, and nothing that no agent saw.
  expect(map.findIndex((times, at) => times > (seen[at] ? 1 : 0))).toBe(-1);
  expect(stream.octets).toBeLessThanOrEqual(sent.length);
  expect(stream.octets - (stream.cut_octets ?? 0)).toBe(count(map, 1));
  const hole = map.indexOf(0);
  if (stream.cut_octets === undefined) expect(stream.contiguous).toBe(hole < 0 ? sent.length : hole);
  else expect(stream.contiguous).toBeLessThanOrEqual(hole < 0 ? sent.length : hole);
  if (stream.sha256 !== undefined) expect(stream.sha256).toBe(sha256(sent.subarray(0, stream.contiguous)));
  // Plain TCP ends by its FIN.
  const plain = hosts[side].fallback.end?.shape.number ?? -1;
  const hasEnded = sight.fins[side] || sight.subflows.get(plain)?.[side].has("fin");
  if (stream.complete) expect([stream.octets, hasEnded]).toEqual([sent.length, true]);
}

/**
 * Octets that differ from what came first are counted, each time, unless they are told as not compared. An acknowledged one that
 * came again alone may pass for a probe of a closed window.
 */
function expectConflicts(
  { conflicting, not_compared_octets, window_probes = 0 }: StreamRecord,
  truth: number,
  uncovered: number,
): void {
  const left = not_compared_octets + window_probes;
  if (left === 0 && uncovered === 0) expect(conflicting).toBe(truth);
  else if (left === 0) expect(conflicting).toBeGreaterThanOrEqual(truth - uncovered);
  expect(conflicting ?? 0).toBeLessThanOrEqual(truth);
}

function expectTrueSubflow(
  { kind, opener, source, destination, join }: SessionRecord["mptcp"]["subflows"][number],
  session: SimulatedSession,
): void {
  const number = subflowOfPort(session.addresses.includes(source.ip) ? source.port : destination.port);
  if (kind !== "unknown") expect(kind).toBe(number === 0 ? "initial" : "joined");
  if (kind === "joined") expect(SIDES.indexOf(opener)).toBe(session.openers[number]);
  for (const verdict of Object.values(join?.hmac ?? {})) expect(verdict).not.toBe("failed");
}

/**
 * A stream whose beginning is not known: its pieces lie beside each other as they were sent, from wherever. Where a record
 * begins behind the session's end, octets are placed once it is known where those of their subflow lie
 * (src/subflow/isn-search.ts): of changed ones perhaps not the copy that came first, but one that came.
 */
function expectTruePieces(record: SessionRecord, { simulation, placed, later }: Observed): void {
  const session = simulation.sessions[sessionOf(record, simulation)];
  if (session === undefined) return;
  const isLater = later !== undefined && record.event.start > later.since;
  const pieces = placed.pieces.get(record.mptcp.session.id) ?? [];
  for (const side of [0, 1] as const) {
    const own = pieces.filter((piece) => piece.side === side);
    const longest = own.toSorted((a, b) => b.octets.length - a.octets.length)[0];
    if (longest === undefined || longest.octets.length < 8) continue;
    // Which side is which is not known either.
    const isTrue = ([0, 1] as const).some((from) => {
      const stream = session.streams[from];
      const isThere = (octets: Uint8Array, offset: number): boolean =>
        isLater
          ? octets.every((octet, n) => later.has(from, offset + n, octet))
          : Buffer.compare(octets, stream.subarray(offset, offset + octets.length)) === 0;
      const places = stream.length - longest.octets.length + 1;
      const place = Array.from({ length: Math.max(places, 0) }, (_, at) => at).find((at) =>
        isThere(longest.octets, at),
      );
      if (place === undefined) return false;
      const shift = place - longest.offset;
      return own.every(({ offset, octets }) => isThere(octets, offset + shift));
    });
    expect(isTrue, `octets of the ${SIDES[side]} of ${record.mptcp.session.evidence}`).toBe(true);
  }
}

/**
 * What holds besides where agents see all that passes their place, whole: each session has one record that tells all of
 * it.
 */
export function expectEverything(observed: Observed): void {
  for (const [number, session] of observed.simulation.sessions.entries()) {
    const sight = observed.sights[number];
    if (sight === undefined || !hasHandshake(sight)) continue;
    const record = onlyRecord(observed, session);
    expectWholeRecord(record, session, sight, lateJoins(record, number, observed));
  }
}

/** Joins whose SYN was repeated after the session's record ends: they may be nobody's. */
function lateJoins({ event }: SessionRecord, number: number, { simulation }: Observed): ReadonlySet<number> {
  const isLate = ({ packet: { meaning }, atMicros }: Simulation["passings"][number]): boolean =>
    meaning.session === number && meaning.tags.includes("syn") && atMicros > Date.parse(event.end) * 1000;
  return new Set(simulation.passings.filter(isLate).map(({ packet }) => packet.meaning.subflow));
}

/**
 * What holds where bounds are so low that they are met: what a record lacks of its session's octets, or a session of its
 * record, is counted somewhere.
 */
export function expectLossesCounted(observed: Observed, copies: readonly Copy[]): void {
  const { totals, fates } = observed.run;
  const found = [...handshakes(observed)];
  expect(fates.length).toBe(totals.packetsIn);
  for (const [number, session] of observed.simulation.sessions.entries()) {
    const sight = observed.sights[number];
    const own = found.filter((one) => one.session.identity === session.identity);
    if (sight === undefined || !hasHandshake(sight)) continue;
    const isUntaken = copies.some((copy, i) => copy.packet.meaning.session === number && !TAKEN.has(fates[i] ?? 0));
    const isTold = isUntaken || own.some(({ record }) => record.rejoin?.shed !== undefined);
    if (own.length === 0) expect(isTold, "a session without a record").toBe(true);
    for (const { record, sight: told } of own) {
      // A half-open session that gave way took the octets of its SYN with it: the totals count it, the record begins later.
      const isForgotten = totals.sessions.halfOpen > 0 && !copies.some((copy) => isEarlySyn(copy, number, record));
      const { octets: maps } = isForgotten ? told : sight;
      for (const [side, name] of SIDES.entries()) {
        const { octets, missing_octets, contiguous } = record.mptcp.stream[name];
        expect(contiguous).toBeLessThanOrEqual(octets);
        expect(octets + missing_octets).toBeLessThanOrEqual(session.streams[side]?.length ?? 0);
        const placeable = count(maps[side] ?? new Uint8Array(0), STATED);
        const unmapped = record.mptcp.subflows.some(({ data }) => (data?.[name].unmapped_octets ?? 0) > 0);
        if (octets < placeable) expect(isTold || unmapped, `octets of the ${name}`).toBe(true);
      }
    }
  }
}

/** Whether a copy is a session's SYN with octets, and its record begins with it or before it. */
const isEarlySyn = ({ packet, atMicros }: Copy, session: number, { event }: SessionRecord): boolean =>
  packet.meaning.session === session &&
  packet.meaning.tags.includes("syn") &&
  packet.payload.length > 0 &&
  Math.floor(atMicros / 1000) >= Date.parse(event.start);

/**
 * The one record of a session whose handshake was seen. A host that goes on repeating its first data, with both keys, after
 * the session was closed and its record ended, has that begin another.
 */
export function onlyRecord(observed: Observed, session: SimulatedSession): SessionRecord {
  const [record, ...others] = [...handshakes(observed)]
    .filter((one) => one.session.identity === session.identity)
    .map((one) => one.record)
    .toSorted((a, b) => (a.event.start < b.event.start ? -1 : 1));
  if (record === undefined) throw new Error("no record");
  const { event, mptcp } = record;
  const isClosed = ["fin", "reset", "fastclose"].includes(mptcp.close?.reason ?? "");
  const number = observed.simulation.sessions.indexOf(session);
  const isRepeated = observed.simulation.passings.some(
    ({ packet: { meaning, said, payload }, atMicros }) =>
      meaning.session === number && said.capable && payload.length > 0 && atMicros > Date.parse(event.end) * 1000,
  );
  const later = others.filter((other) => isClosed && isRepeated && other.event.start > event.end);
  expect(others.map((other) => other.mptcp.session.id)).toEqual(later.map((other) => other.mptcp.session.id));
  return record;
}

/** Whether all three segments of the MP_CAPABLE handshake were seen. */
export const hasHandshake = ({ subflows }: Sight): boolean => {
  const [initiator, responder] = subflows.get(0) ?? [];
  return initiator?.has("syn") === true && initiator.has("ack") && responder?.has("syn-ack") === true;
};

function expectWholeRecord(
  { mptcp, rejoin }: SessionRecord,
  session: SimulatedSession,
  sight: Sight,
  late: ReadonlySet<number>,
): void {
  const { identity, plan, hosts } = session;
  expect(mptcp.version).toBe(plan.version);
  expect(mptcp.token).toEqual({ initiator: hexToken(identity.tokens[0]), responder: hexToken(identity.tokens[1]) });
  expect(mptcp.idsn).toEqual({ initiator: String(identity.idsns[0]), responder: String(identity.idsns[1]) });
  expect(mptcp.checksum_required).toBe(plan.checksum);
  expect(mptcp.fallback).toBeNull();
  for (const [side, name] of SIDES.entries()) {
    const map = sight.octets[side] ?? new Uint8Array(0);
    // A mapping that is stated once, behind many holes, may be shed; it is told.
    const isExact = plan.mappingOn === "every" || rejoin?.shed === undefined;
    if (isExact) expect(mptcp.stream[name].octets).toBe(count(map, MAPPED));
    else expect(mptcp.stream[name].octets).toBeGreaterThanOrEqual(count(map, STATED));
    expect(mptcp.stream[name].cut_octets).toBeUndefined();
    if (isExact) expect(mptcp.stream[name]).toMatchObject(coverage(sight, side, map));
    if (isExact && sight.fins[side]) expect(mptcp.stream[name].complete).toBe(count(map, MAPPED) === map.length);
  }
  expectWholeSubflows(
    mptcp.subflows.filter((subflow) => !isStrange(subflow)),
    sight,
    late,
  );
  // Where a path is not watched, the ends may have been told on it alone.
  if (plan.ending === "fin" && hosts[0].isDone && hosts[1].isDone && sight.fins[0] && sight.fins[1])
    expect(mptcp.close).toEqual({ reason: "fin", by: "both" });
}

/** How much of what the other side of a stream acknowledged no agent saw. */
function coverage(sight: Sight, side: number, map: Uint8Array): Partial<SessionRecord["mptcp"]["stream"]["initiator"]> {
  const known = sight.acked[side] ?? null;
  if (known === null) return { acknowledged: null, unseen_octets: null, unseen_share: null };
  const acknowledged = sight.fins[side] ? Math.min(known, map.length) : known;
  const unseen = acknowledged - count(map.subarray(0, acknowledged), MAPPED);
  return {
    acknowledged,
    unseen_octets: unseen,
    unseen_share: unseen === 0 ? 0 : Math.ceil((unseen / acknowledged) * 1e6) / 1e6,
  };
}

/** Each subflow once, and of each join the verdicts that can be had. */
function expectWholeSubflows(
  subflows: SessionRecord["mptcp"]["subflows"],
  sight: Sight,
  late: ReadonlySet<number>,
): void {
  const numbers = subflows.map(({ opener, source, destination }) =>
    subflowOfPort(opener === "initiator" ? source.port : destination.port),
  );
  const joined = [...sight.subflows].filter(([number, [a, b]]) => number > 0 && (a.has("syn") || b.has("syn")));
  const expected = joined.map(([number]) => number).filter((number) => !late.has(number) || numbers.includes(number));
  expect(numbers.toSorted()).toEqual([0, ...expected].toSorted());
  for (const [at, { opener, join }] of subflows.entries()) {
    const tags = sight.subflows.get(numbers[at] ?? 0);
    if (join === null || tags === undefined) continue;
    const [own, other] = opener === "initiator" ? tags : [tags[1], tags[0]];
    const names = opener === "initiator" ? SIDES : (["responder", "initiator"] as const);
    if (!other.has("syn-ack")) continue;
    expect(join.hmac[names[1]]).toBe("verified");
    if (own.has("ack")) expect(join.hmac[names[0]]).toBe("verified");
  }
}
