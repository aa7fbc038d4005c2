import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { PipelineOptions } from "../../src/pipeline.ts";
import { type RetoldPacket, readPacket } from "../plain-tcp/retold.ts";
import { run } from "../support/pipeline-run.ts";
import { simulate } from "../support/simulator/simulation.ts";
import { type Copy, watch } from "../support/simulator/watch.ts";
import { PlacedOctets } from "./placed-octets.ts";
import { badAgents, goodAgents, mutilate, mutilation, sessionPlan } from "./plans.ts";
import { PATIENCE, settings } from "./runs.ts";

/** The octets of each side as a plain receiver of a connection has them, by their place in the stream. */
type Received = readonly [Map<number, number>, Map<number, number>];

/**
 * Follows one connection as the plainest of TCPs: nothing comes twice, and each acknowledgment is of all that came; where not all
 * was seen the last ones may be of more.
 */
function receive(packets: readonly RetoldPacket[], isWhole: boolean): Received {
  const received: Received = [new Map(), new Map()];
  const [syn, answer, third] = packets;
  expect([syn?.flags, answer?.flags, third?.flags]).toEqual(["S", "SA", "A"]);
  const isns = [syn?.seq ?? 0, answer?.seq ?? 0] as const;
  // Relative to the octet behind the SYN.
  const next = [0, 0] as [number, number];
  const at = (side: 0 | 1, number: number) => (number - isns[side] - 1) | 0;
  let before = 0;
  let isOver = false;
  for (const [n, { from, flags, seq, ack, payload, atMicros }] of packets.entries()) {
    expect(atMicros).toBeGreaterThanOrEqual(before);
    before = atMicros;
    const side = from === syn?.from ? 0 : 1;
    const peer = side === 0 ? 1 : 0;
    if (n < 2) continue;
    expect(isOver).toBe(false);
    if (!isWhole && payload.length === 0) next[peer] = Math.max(next[peer], at(peer, ack));
    expect(at(peer, ack)).toBe(next[peer]);
    if (payload.length > 0) expect(at(side, seq)).toBeGreaterThanOrEqual(next[side]);
    else expect(at(side, seq)).toBe(next[side]);
    for (const [place, octet] of payload.entries()) received[side].set(at(side, seq) + place, octet);
    next[side] = at(side, seq) + payload.length + (flags.includes("F") ? 1 : 0);
    isOver = flags.includes("R");
  }
  return received;
}

const sizeOf = ([one, other]: Received): number => one.size + other.size;

/** What the pipeline placed of the one session whose handshake was seen, what it told again, and what came too late for that. */
function tell(copies: readonly Copy[], batch: number) {
  const placed = new PlacedOctets();
  const told: RetoldPacket[] = [];
  const options: Partial<PipelineOptions> = {
    octets: placed,
    partial: false,
    plainTcp: (packet, atMicros) => told.push(readPacket(packet, atMicros)),
  };
  const { records, untold } = run(copies, options, batch);
  const pieces = placed.pieces.get(records[0]?.mptcp.session.id ?? "") ?? [];
  const octets: Received = [new Map(), new Map()];
  for (const { side, offset, octets: all } of pieces)
    for (const [n, octet] of all.entries()) octets[side].set(offset + n, octet);
  return { told, octets, sessions: records.length, late: untold };
}

function expectPlaced(received: Received, octets: Received): void {
  for (const side of [0, 1] as const) {
    const wrong = [...received[side]].filter(([place, octet]) => octets[side].get(place) !== octet);
    expect([side, wrong]).toEqual([side, []]);
  }
}

const BATCH = fc.constantFrom(1, 13, 64);

describe("sessions told again as plain TCP", () => {
  it("bring a receiver each octet that the agents saw in time, and nothing twice", { timeout: PATIENCE }, () => {
    fc.assert(
      fc.property(sessionPlan, goodAgents, fc.nat(), BATCH, (plan, by, seed, batch) => {
        const { copies } = watch(simulate([{ plan, beginMillis: 0 }], seed), by, seed);
        const { told, octets, sessions, late } = tell(copies, batch);
        expect(sessions).toBe(told.length > 0 ? 1 : 0);
        if (sessions === 0) return;
        const received = receive(told, true);
        expectPlaced(received, octets);
        expect(sizeOf(received)).toBe(sizeOf(octets) - late);
      }),
      settings(0.5),
    );
  });

  it("watched badly, bring none that was not placed there", { timeout: PATIENCE }, () => {
    fc.assert(
      fc.property(sessionPlan, badAgents, mutilation, fc.nat(), BATCH, (plan, by, how, seed, batch) => {
        const { copies } = watch(simulate([{ plan, beginMillis: 0 }], seed), by, seed);
        const { told, octets, sessions } = tell(mutilate(copies, how), batch);
        // Who loses its end may be taken for two.
        if (sessions === 1) expectPlaced(receive(told, false), octets);
      }),
      settings(0.5),
    );
  });
});
