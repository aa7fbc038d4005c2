import { describe, expect, it } from "vitest";
import type { FindingRecord } from "../../schema/finding-record.ts";
import { sessionRecord } from "../../schema/session-record.ts";
import { SIDES } from "../../schema/session-vocabulary.ts";
import { Conversation, type SendShape, type Side, type Subflow } from "../support/conversation.ts";
import { ACK, option, PSH } from "../support/packets.ts";
import { type RunPacket, run } from "../support/pipeline-run.ts";

/** With octets wanted and without, packet by packet and in vectors, each side as the sender. */
const WAYS = [{}, { octets: null, digest: false }].flatMap((options) =>
  ([0, 1] as const).flatMap((side) => [1, 64].map((batch) => ({ options, side, batch }))),
);

describe.each(WAYS)(
  "probes of a closed window ($options, side $side, vectors of $batch)",
  ({ options, side, batch }) => {
    const peer: Side = side === 0 ? 1 : 0;

    /** What the record says of the side's stream, and whether the octets are a finding. */
    function told(packets: readonly RunPacket[]) {
      const findings: FindingRecord[] = [];
      const { records } = run(packets, { ...options, finding: (finding) => findings.push(finding) }, batch);
      expect(records).toHaveLength(1);
      const { mptcp } = sessionRecord.parse(records[0]);
      const stream = mptcp.stream[SIDES[side]];
      const { octets, window_probes, conflicting, repeated_octets, reinjected_octets, conflicts } = stream;
      const found = findings.filter(({ event }) => event.action === "octets-differ").length;
      expect(conflicts).toHaveLength(conflicting === 0 ? 0 : 1);
      return { octets, window_probes, conflicting, repeated_octets, reinjected_octets, found };
    }
    const QUIET = { conflicting: 0, repeated_octets: 0, reinjected_octets: 0, found: 0 } as const;

    /** The peer acknowledges so many octets of the side's stream. */
    const ack = (talk: Conversation, octets: number, on: Subflow = talk.initial) =>
      talk.segment(on, peer, ACK, [option.dss({ ack: talk.dsn(side, octets) })]);
    /** `full!` was sent, and is acknowledged up to `octets`. */
    const stalled = (octets = 5): Conversation => ack(new Conversation().open().send(side, "full!"), octets);
    /** An octet for the last place of `full!`, where nothing else is said. */
    const probe = (talk: Conversation, octet: string, shape: SendShape = {}) =>
      talk.send(side, octet, { at: 4, ...shape });

    it("are counted, and no octets of the stream: neither repeated nor others", () => {
      const talk = probe(stalled(), "n");
      expect(told(talk.send(side, "next").packets)).toEqual({ octets: 9, window_probes: 1, ...QUIET });
    });

    it("with a data sequence number of 32 bits, too", () => {
      expect(told(probe(stalled(), "n", { narrow: true }).packets)).toMatchObject({ window_probes: 1, ...QUIET });
    });

    it("count each time they come, on whichever subflow, and are not reinjected", () => {
      const talk = stalled();
      const second = talk.join();
      probe(probe(probe(talk, "n"), "n", { on: second }), "n");
      expect(told(talk.packets)).toMatchObject({ window_probes: 3, ...QUIET });
    });

    it("count on each subflow where their sequence numbers are the same", () => {
      const talk = stalled();
      const ssn = talk.initial.next[side];
      const second = talk.join();
      probe(probe(talk, "n"), "n", { on: second, ssn });
      expect(told(talk.packets)).toMatchObject({ window_probes: 2, ...QUIET });
    });

    it("count once where TCP sends them again, now or when more was sent behind them", () => {
      const talk = stalled();
      const { next } = talk.initial;
      const ssn = next[side];
      probe(probe(talk, "n"), "n", { ssn });
      talk.send(side, "next");
      probe(talk, "n", { ssn });
      expect(told(talk.packets)).toMatchObject({ octets: 9, window_probes: 1, ...QUIET });
    });

    it("count once where two agents copied them", () => {
      const packets: RunPacket[] = [...probe(stalled(), "n").packets];
      const [last] = packets.slice(-1);
      if (last !== undefined) packets.push({ ...last, source: 1 });
      expect(told(packets)).toMatchObject({ window_probes: 1, ...QUIET });
    });

    it("that come late, when the stream has gone on, are known by the octet behind their place", () => {
      const talk = stalled();
      const second = talk.join();
      ack(talk.send(side, "next"), 9);
      expect(told(probe(talk, "n", { on: second }).packets)).toMatchObject({ octets: 9, window_probes: 1, ...QUIET });
    });

    it("are not told where the octet is alike: then it came again", () => {
      const found = told(probe(stalled(), "!").packets);
      expect(found).toMatchObject({ window_probes: undefined, conflicting: 0, repeated_octets: 1, found: 0 });
    });

    const CONFLICT = { window_probes: undefined, conflicting: 1, repeated_octets: 1, found: 1 } as const;

    it.each([0, 4])("are none of octets that are not acknowledged: %i of 5 are", (octets) => {
      expect(told(probe(stalled(octets), "n").packets)).toMatchObject(CONFLICT);
    });

    it("are none late, of octets that are not acknowledged", () => {
      expect(told(probe(stalled(4).send(side, "next"), "n").packets)).toMatchObject(CONFLICT);
    });

    it("are none where octets behind them were acknowledged that no agent saw", () => {
      expect(told(probe(stalled(9), "n").packets)).toMatchObject(CONFLICT);
    });

    it("are none where no acknowledgment was seen", () => {
      const talk = probe(new Conversation().open().send(side, "full!"), "n");
      expect(told(talk.packets)).toMatchObject(CONFLICT);
    });

    it("are none at another place than the last, though it is acknowledged", () => {
      expect(told(probe(stalled(), "n", { at: 3 }).packets)).toMatchObject(CONFLICT);
    });

    it("are none at the last acknowledged place where more has been sent", () => {
      expect(told(probe(stalled().send(side, "more"), "n").packets)).toMatchObject(CONFLICT);
    });

    it("are none late, with another octet than the one behind their place", () => {
      expect(told(probe(ack(stalled().send(side, "next"), 9), "x").packets)).toMatchObject(CONFLICT);
    });

    it("are none inside what was one segment, though it is the octet behind its place: nobody shifts a text so", () => {
      expect(told(probe(stalled(), "!", { at: 3 }).packets)).toMatchObject(CONFLICT);
    });

    it.each(["at", "nn"])("are none of two octets: %s", (text) => {
      const found = told(stalled().send(side, text, { at: 3 }).packets);
      expect(found).toMatchObject({ window_probes: undefined, conflicting: 2, repeated_octets: 2, found: 1 });
    });

    it("are none in a mapping of more than the octet", () => {
      const talk = stalled();
      const ssn = talk.initial.next[side];
      const dss = option.dss({ ack: talk.dsn(peer, 0), dsn: talk.dsn(side, 4), ssn, length: 2 });
      talk.segment(talk.initial, side, ACK | PSH, [dss], Buffer.from("n"));
      expect(told(talk.packets)).toMatchObject(CONFLICT);
    });

    it("are none in a segment of more than the octet", () => {
      const talk = stalled();
      const ssn = talk.initial.next[side];
      const dss = option.dss({ ack: talk.dsn(peer, 0), dsn: talk.dsn(side, 4), ssn, length: 1 });
      talk.segment(talk.initial, side, ACK | PSH, [dss], Buffer.from("n?"));
      expect(told(talk.packets)).toMatchObject(CONFLICT);
    });

    it("are none where TCP sends another octet under the same number than the probe was", () => {
      const talk = stalled();
      const ssn = talk.initial.next[side];
      probe(talk, "n");
      talk.send(side, "next");
      expect(told(probe(talk, "x", { ssn }).packets)).toMatchObject({ ...CONFLICT, window_probes: 1 });
    });

    it("of which the newest eight are known when TCP sends them again: older ones count anew", () => {
      const talk = stalled();
      const first = talk.initial.next[side];
      for (let n = 0; n < 9; n++) probe(talk, "n");
      probe(talk, "n", { ssn: first + 1 });
      expect(told(talk.packets)).toMatchObject({ window_probes: 9, ...QUIET });
      probe(talk, "n", { ssn: first });
      expect(told(talk.packets)).toMatchObject({ window_probes: 10, ...QUIET });
    });
  },
);
