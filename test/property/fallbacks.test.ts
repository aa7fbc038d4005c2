import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { SessionRecord } from "../../schema/session-record.ts";
import { SIDES } from "../../schema/session-vocabulary.ts";
import { run } from "../support/pipeline-run.ts";
import { isMptcp } from "../support/simulator/network.ts";
import type { SessionPlan } from "../support/simulator/plan.ts";
import { type SimulatedSession, simulate } from "../support/simulator/simulation.ts";
import { type Copy, type Sight, sightsOf, watch } from "../support/simulator/watch.ts";
import { expectNothingWrong, hasHandshake, onlyRecord } from "./expectation.ts";
import { observeChanged } from "./first-copies.ts";
import { PlacedOctets } from "./placed-octets.ts";
import { badAgents, goodAgents, leavingPlan, mutilate, mutilation } from "./plans.ts";
import { PATIENCE, settings } from "./runs.ts";
import { shownFallbacks } from "./shown-fallback.ts";

const isChanged = ({ paths }: SessionPlan): boolean => paths.some(({ tampered }) => tampered > 0);

const seenOf = (map: Uint8Array): number => map.filter((grade) => grade > 0).length;

/** The fallback is told where something shows it, with the cause that shows first. */
function expectCause({ mptcp }: SessionRecord, copies: readonly Copy[]): void {
  const shown = shownFallbacks(copies);
  const certain = shown.findIndex(({ isCertain }) => isCertain);
  const told = mptcp.fallback?.cause;
  if (told === undefined) expect(certain).toBe(-1);
  else expect(shown.slice(0, certain < 0 ? shown.length : certain + 1).map(({ cause }) => cause)).toContain(told);
}

/** After a fallback octets need no mapping: all that were seen are told. */
function expectOctets({ mptcp, rejoin }: SessionRecord, { hosts }: SimulatedSession, { octets }: Sight): void {
  // Who answers MP_FAIL with its own may reset the subflow yet, which its last acknowledgment number says nothing of.
  const isPlain = mptcp.fallback !== null && hosts.some((host) => host.isPlain);
  for (const [side, name] of SIDES.entries()) {
    const { octets: told, unseen_octets } = mptcp.stream[name];
    const seen = seenOf(octets[side] ?? new Uint8Array(0));
    const isShort =
      rejoin?.shed !== undefined || mptcp.subflows.some(({ data }) => (data?.[name].unmapped_octets ?? 0) > 0);
    if (!isPlain || isShort) expect(told).toBeLessThanOrEqual(seen);
    else expect([name, told]).toEqual([name, seen]);
    // Nobody acknowledges what did not pass the agents.
    if (!isShort && (isPlain || mptcp.fallback === null)) expect([name, unseen_octets ?? 0]).toEqual([name, 0]);
  }
}

function expectEnd({ mptcp }: SessionRecord, { hosts, streams }: SimulatedSession, { subflows }: Sight): void {
  if (mptcp.fallback === null) return;
  const ends = hosts.map(({ fallback }) => fallback.end?.shape.number);
  const tags = subflows.get(ends[0] ?? -1);
  if (ends[0] !== ends[1] || !tags?.every((one) => one.has("fin")) || tags.some((one) => one.has("rst"))) return;
  expect(mptcp.close).toEqual({ reason: "fin", by: "both" });
  for (const [side, name] of SIDES.entries()) {
    const { octets, complete } = mptcp.stream[name];
    expect([name, complete]).toEqual([name, octets === streams[side]?.length]);
  }
}

/** A fallback has a cause that some copy shows. */
function expectEvidence({ mptcp }: SessionRecord, copies: readonly Copy[]): void {
  const cause = mptcp.fallback?.cause;
  if (cause === undefined) return;
  const packets = copies.map(({ packet }) => packet);
  if (cause === "infinite-mapping") expect(packets.some(({ said }) => said.infinite !== undefined)).toBe(true);
  else if (cause === "checksum") expect(packets.some(({ said }) => said.fail !== undefined)).toBe(true);
  else {
    expect(["data-without-option", "ack-without-option", "unknown"]).toContain(cause);
    expect(packets.some((packet) => packet.payload.length > 0 && !isMptcp(packet))).toBe(true);
  }
}

/** Octets that copies hold: where they belong in the stream, and per subflow those that were sent so and those that were not. */
function seenOctets({ streams }: SimulatedSession, copies: readonly Copy[]) {
  const seen = { inStream: new Set<string>(), right: new Set<string>(), wrong: new Set<string>() };
  for (const { packet, octets, wire } of copies) {
    const { side, subflow, offset, isn } = packet.meaning;
    const captured = Math.max(octets.length - (wire - packet.payload.length), 0);
    for (const [n, octet] of packet.payload.subarray(0, captured).entries()) {
      seen.inStream.add(`${side} ${offset + n} ${octet}`);
      const isRight = octet === streams[side][offset + n];
      seen[isRight ? "right" : "wrong"].add(`${subflow} ${side} ${((packet.seq - isn) >>> 0) + n}`);
    }
  }
  return seen;
}

/** A checksum is right only over octets that were sent, and wrong only over some that were not. */
function expectChecksums({ mptcp }: SessionRecord, seen: ReturnType<typeof seenOctets>, copies: readonly Copy[]): void {
  for (const [side, name] of SIDES.entries()) {
    const { verified, failed } = mptcp.stream[name].checksum ?? { verified: 0, failed: 0 };
    const mappings = new Map(
      copies.flatMap(({ packet: { said, meaning } }) =>
        said.mapping === undefined || meaning.side !== side ? [] : [[said.mapping, meaning.subflow]],
      ),
    );
    const places = [...mappings].map(([{ ssn, length }, subflow]) =>
      Array.from({ length }, (_, n) => `${subflow} ${side} ${ssn + n}`),
    );
    expect(verified).toBeLessThanOrEqual(places.filter((all) => all.every((one) => seen.right.has(one))).length);
    expect(failed).toBeLessThanOrEqual(places.filter((all) => all.some((one) => seen.wrong.has(one))).length);
  }
}

describe("connections that fall back once data has flowed", () => {
  it("are told with their cause, every octet after it, and their end", { timeout: PATIENCE }, () => {
    fc.assert(
      fc.property(leavingPlan, goodAgents, fc.nat(), (plan, agents, seed) => {
        // Octets that waited for a mapping come behind the other packets of the vector that shows their place.
        const batch = isChanged(plan) ? 1 : 64;
        const { observed, session, sight, copies } = observeChanged(plan, agents, seed, batch);
        expectNothingWrong(observed);
        if (!hasHandshake(sight)) return;
        const record = onlyRecord(observed, session);
        expectCause(record, copies);
        expectOctets(record, session, sight);
        expectEnd(record, session, sight);
      }),
      settings(),
    );
  });

  it("watched badly, tell no octet that was not seen and no verdict that cannot be", { timeout: PATIENCE }, () => {
    const agents = fc.oneof(badAgents, goodAgents);
    fc.assert(
      fc.property(
        leavingPlan,
        agents,
        mutilation,
        fc.nat(),
        fc.constantFrom(1, 13, 64),
        (plan, by, harm, seed, batch) => {
          const simulation = simulate([{ plan, beginMillis: 0 }], seed);
          const copies = mutilate(watch(simulation, by, seed).copies, harm);
          const placed = new PlacedOctets();
          const found = run(copies, { octets: placed }, batch);
          const sights = sightsOf(simulation, copies);
          if (!isChanged(plan)) expectNothingWrong({ run: found, placed, simulation, sights });
          const [session] = simulation.sessions;
          if (session === undefined) throw new Error("no session");
          const octets = seenOctets(session, copies);
          for (const record of found.records) {
            expectEvidence(record, copies);
            // Elsewhere nobody knows which side is which, nor where its stream began.
            if (record.mptcp.session.evidence !== "handshake") continue;
            expectChecksums(record, octets, copies);
            const pieces = isChanged(plan) ? (placed.pieces.get(record.mptcp.session.id) ?? []) : [];
            for (const { side, offset, octets: piece } of pieces) {
              for (const [n, octet] of piece.entries())
                expect(octets.inStream.has(`${side} ${offset + n} ${octet}`)).toBe(true);
            }
          }
        },
      ),
      settings(),
    );
  });
});
