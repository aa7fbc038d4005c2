import { describe, expect, it } from "vitest";
import { sessionRecord } from "../../schema/session-record.ts";
import { FastOpens } from "../../src/session/fast-open.ts";
import { Conversation } from "../support/conversation.ts";
import { ACK, dssChecksum, FIN, option, SYN } from "../support/packets.ts";
import { run } from "../support/pipeline-run.ts";

const REQUEST = Buffer.from("GET / HTTP/1.1");

/**
 * A conversation whose SYN carries REQUEST, of which the SYN/ACK acknowledges the first `accepted` octets (RFC 8684 §B):
 * relative subflow sequence 1 and IDSN + 1 are the octet behind those.
 */
function fastOpen(accepted: number, capable = true, checksum = false): Conversation {
  const talk = new Conversation({ checksum });
  const flags = checksum ? 0x81 : 0x01;
  talk.segment(talk.initial, 0, SYN, [option.capable(1, [], [], flags)], REQUEST, -accepted);
  talk.initial.next[0] = 1;
  return talk.segment(talk.initial, 1, SYN | ACK, capable ? [option.capable(1, [talk.keys[1]], [], flags)] : []);
}

function rebuilt(talk: Conversation, batch = 64) {
  const found = run(talk.packets, {}, batch);
  expect(found.records).toHaveLength(1);
  const { mptcp } = sessionRecord.parse(found.records[0]);
  const { initiator } = mptcp.stream;
  return { mptcp, initiator, text: found.streams.of(mptcp.session.id, 0, initiator.octets).toString() };
}

describe("octets in a SYN", () => {
  it.each([1, 64])("stand at the stream's beginning, before IDSN + 1, %i packets to a vector", (batch) => {
    const talk = fastOpen(REQUEST.length).open(["ack"]);
    talk.send(0, "abc").send(0, "def", { narrow: true }).send(1, "answer").close();
    const { mptcp, initiator, text } = rebuilt(talk, batch);
    expect(text).toBe(`${REQUEST}abcdef`);
    expect(initiator).toMatchObject({ octets: 20, contiguous: 20, missing: [], complete: true });
    expect(mptcp.stream.responder).toMatchObject({ octets: 6, complete: true });
    expect(mptcp.verdicts?.idsn.initiator).toEqual({ verdict: "verified" });
  });

  it("lie before what first data with a MP_CAPABLE maps", () => {
    const talk = fastOpen(REQUEST.length);
    talk.segment(talk.initial, 0, ACK, [option.capable(1, talk.keys, [5])], Buffer.from("hello"));
    talk.offset[0] = 5;
    expect(rebuilt(talk.send(0, " world").close())).toMatchObject({
      text: `${REQUEST}hello world`,
      initiator: { complete: true },
    });
  });

  it.each([0, 4])("of which only %i were acknowledged: the others come again, mapped", (accepted) => {
    const talk = fastOpen(accepted).open(["ack"]).send(0, REQUEST.subarray(accepted)).send(0, "!").close();
    expect(rebuilt(talk)).toMatchObject({ text: `${REQUEST}!`, initiator: { octets: 15, complete: true } });
  });

  it.each([0, 4])("of which only %i were: the others are taken as new, on whatever segment they come", (accepted) => {
    const talk = fastOpen(accepted).open(["ack"]);
    // The mapping stands on the first segment only: what follows is no retransmission, nor a keep-alive.
    const rest = REQUEST.subarray(accepted);
    const mapping = { ack: talk.dsn(1, 0), dsn: talk.dsn(0, 0), ssn: 1, length: rest.length };
    talk.segment(talk.initial, 0, ACK, [option.dss(mapping)], rest.subarray(0, 5));
    talk.segment(talk.initial, 0, ACK, [], rest.subarray(5, -1)).segment(talk.initial, 0, ACK, [], rest.subarray(-1));
    const { mptcp, initiator, text } = rebuilt(talk);
    expect([text, initiator.octets]).toEqual([`${REQUEST}`, REQUEST.length]);
    const [{ data, keep_alives: keepAlives } = { data: undefined, keep_alives: undefined }] = mptcp.subflows;
    expect(data?.initiator).toMatchObject({ octets: REQUEST.length, retransmissions: 0, unmapped_octets: 0 });
    expect(keepAlives).toBe(0);
  });

  it("that no SYN/ACK took, one of them, come again as plain TCP: no keep-alive", () => {
    const talk = new Conversation();
    talk.segment(talk.initial, 0, SYN, [option.capable(1)], Buffer.from("x"), 0);
    talk.initial.next[0] = 1;
    talk.segment(talk.initial, 1, SYN | ACK).segment(talk.initial, 0, ACK, [], Buffer.from("x"));
    expect(rebuilt(talk)).toMatchObject({ text: "x", initiator: { octets: 1 } });
  });

  it("are there once, however often the SYN comes", () => {
    const talk = fastOpen(REQUEST.length);
    talk.segment(talk.initial, 0, SYN, [option.capable(1)], REQUEST, -REQUEST.length);
    talk.segment(talk.initial, 1, SYN | ACK, [option.capable(1, [talk.keys[1]])]);
    expect(rebuilt(talk.open(["ack"]).send(0, "abc").close()).text).toBe(`${REQUEST}abc`);
  });

  it("are there when the SYN came late, from a slower agent", () => {
    const talk = fastOpen(REQUEST.length);
    const [syn, answer] = talk.packets.splice(0, 2);
    if (syn !== undefined && answer !== undefined) talk.packets.push(answer, syn);
    expect(rebuilt(talk.open(["ack"]).send(0, "abc").close()).text).toBe(`${REQUEST}abc`);
  });

  it("belong to the TCP stream of a session that fell back", () => {
    const talk = fastOpen(REQUEST.length, false);
    talk.segment(talk.initial, 0, ACK).segment(talk.initial, 0, ACK, [], Buffer.from("abc"));
    talk.segment(talk.initial, 0, FIN | ACK).segment(talk.initial, 1, FIN | ACK);
    expect(rebuilt(talk)).toMatchObject({ text: `${REQUEST}abc`, initiator: { octets: 17, complete: true } });
  });

  it("nothing is put in a wrong place where the SYN/ACK was not seen", () => {
    const talk = fastOpen(REQUEST.length);
    talk.packets.splice(1, 1);
    const { initiator } = rebuilt(talk.open(["ack"]).send(0, "abc").send(1, "y").close());
    expect(initiator).toMatchObject({ octets: 0, complete: false });
  });

  it.each([1, 64])("move no octet to a wrong place whose SYN/ACK came after data (%i to a vector)", (batch) => {
    const talk = fastOpen(4);
    const [answer] = talk.packets.splice(1);
    // Numbered from behind the SYN's 14 octets, the last four would lie where the next mapping is.
    talk.open(["ack"]).send(0, "0123456789 0123456789 01234567");
    if (answer !== undefined) talk.packets.push(answer);
    const mapping = { ack: talk.dsn(1, 0), dsn: talk.dsn(0, 30), ssn: 31, length: 10 };
    talk.segment(talk.initial, 0, ACK, [option.dss(mapping)], Buffer.from("fghij"), 36);
    const { initiator, text } = rebuilt(talk, batch);
    expect(text.slice(0, 4)).toBe("GET ");
    expect(initiator).toMatchObject({ octets: 9, contiguous: 4, repeated_octets: 0 });
  });

  it.each(["lost", "late"])("make no checksum wrong whose SYN/ACK was %s", (fate) => {
    const talk = fastOpen(4, true, true);
    const [answer] = talk.packets.splice(1);
    talk.open(["ack"]);
    for (const word of ["the second ", "and the third ", "and the fourth"]) {
      const place = { dsn: talk.dsn(0, talk.offset[0]), ssn: talk.initial.next[0], length: word.length };
      const checksum = dssChecksum(place.dsn, place.ssn, place.length, Buffer.from(word));
      talk.segment(talk.initial, 0, ACK, [option.dss({ ack: talk.dsn(1, 0), ...place, checksum })], Buffer.from(word));
      talk.offset[0] += word.length;
    }
    if (fate === "late" && answer !== undefined) talk.packets.splice(-1, 0, answer);
    const { initiator } = rebuilt(talk);
    expect(initiator.checksum).toMatchObject({ failed: 0, failures: [] });
    expect(initiator.checksum?.unverifiable_reasons?.["octets-missing"]).toBeGreaterThan(0);
  });

  it("move nothing of a flow met in the middle, whose SYN came late and whose SYN/ACK did not", () => {
    const talk = fastOpen(8).open(["ack"]).send(1, "answer");
    const answer = talk.packets.pop();
    const [syn] = talk.packets.splice(0);
    if (syn !== undefined && answer !== undefined) talk.packets.push(answer, syn);
    const words = Array.from({ length: 20 }, (_, n) => `word ${n}; `);
    for (const word of words) talk.send(0, word);
    const { text, initiator } = rebuilt(talk);
    expect(initiator).toMatchObject({ octets: text.length, missing_octets: 0 });
    expect(words.join("")).toContain(text);
    expect(text.length).toBeGreaterThan(100);
  });

  it("of many unanswered SYNs are kept up to a bound; the record of one that lost them says so", () => {
    const talks = Array.from({ length: 70 }, (_, n) => {
      const ends = [
        { ip: "10.1.0.1", port: 1000 + n },
        { ip: "10.2.0.2", port: 443 },
      ] as const;
      const keys = [Buffer.alloc(8, n + 1), Buffer.alloc(8, n + 101)] as const;
      const talk = new Conversation({ ends, keys, atMicros: 1_790_000_000_000_000 + n * 10 });
      talk.segment(talk.initial, 0, SYN, [option.capable(1)], Buffer.alloc(65_000, n), -65_000);
      talk.initial.next[0] = 1;
      talk.wait(0.1).segment(talk.initial, 1, SYN | ACK, [option.capable(1, [talk.keys[1]])]);
      return talk.open(["ack"]).send(0, "x").close();
    });
    const packets = talks.flatMap((talk) => talk.packets).sort((a, b) => a.atMicros - b.atMicros);
    const shed = run(packets).records.map(({ rejoin }) => rejoin?.shed?.octets ?? 0);
    expect(shed).toHaveLength(70);
    // 4 MiB are 64 times 65,000 octets and a rest.
    expect(shed.filter((octets) => octets === 65_000)).toHaveLength(6);
    expect(shed.filter((octets) => octets === 0)).toHaveLength(64);
  });

  describe.each(["syn", "syn-ack", "ack", "data"])("of which none was seen but a SYN without them", (last) => {
    const REPEATED = Buffer.alloc(0);

    it.each([1, 64])(`begin no stream: what is behind has its place, by the ${last} too (%i to a vector)`, (batch) => {
      const talk = fastOpen(REQUEST.length);
      talk.packets.splice(0);
      talk.segment(talk.initial, 0, SYN, [option.capable(1)], REPEATED, -REQUEST.length);
      talk.initial.next[0] = 1;
      if (last !== "ack") talk.open(["syn-ack"]);
      if (last === "syn") talk.segment(talk.initial, 0, SYN, [option.capable(1)], REPEATED, -REQUEST.length);
      talk.initial.next[0] = 1;
      if (last !== "data") talk.open(["ack"]);
      talk.send(0, "abc").send(1, "answer").send(0, "def").close();
      const { mptcp, initiator, text } = rebuilt(talk, batch);
      expect(text).toBe("abcdef");
      expect(initiator).toMatchObject({ octets: 6, contiguous: 6, complete: true });
      expect(mptcp.stream.responder).toMatchObject({ octets: 6, complete: true });
      const [initial] = mptcp.subflows;
      expect(initial?.data?.initiator).toMatchObject({ octets: 6, unmapped_octets: 0, out_of_order: 0 });
    });
  });

  it.each([
    ["none", 0, 40],
    ["some", REQUEST.length, 60],
  ])("show by mappings where only SYNs without octets were seen: there were %s", (_, octets, known) => {
    const sent = Buffer.from("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ....~~~~");
    for (const [batch, syns] of [1, 64].flatMap((one) =>
      ["first", "twice", "late"].map((two) => [one, two] as const),
    )) {
      const talk = new Conversation();
      const syn = () => talk.segment(talk.initial, 0, SYN, [option.capable(1)], Buffer.alloc(0), -octets);
      const send = (at: number, from: number, length: number) => {
        const mapping = { ack: talk.dsn(1, 0), dsn: talk.dsn(0, from), ssn: 1 + from, length };
        const stated = from === 0 ? option.capable(1, talk.keys, [length]) : option.dss(mapping);
        talk.segment(talk.initial, 0, ACK, [stated], sent.subarray(at, at + 10), 1 + at);
      };
      if (syns !== "late") syn();
      talk.send(1, "answer");
      // Of the first mapping neither the first nor the last segment was seen: the others fit anywhere in it.
      for (const at of [10, 20]) send(at, 0, 40);
      if (syns !== "first") syn();
      for (const at of [40, 50, 60]) send(at, 40, 30);
      const { records, streams } = run(talk.packets, {}, batch);
      expect(records).toHaveLength(1);
      const { session, stream } = records[0]?.mptcp ?? {};
      // Where octets came before any SYN nobody knows where the stream began.
      expect(session?.evidence).toBe(syns === "late" ? "midstream" : "handshake");
      const begin = syns === "late" ? 0 : known;
      expect(stream?.initiator.octets).toBe(70 - known);
      const placed = streams.of(session?.id ?? "", 0, begin + 70 - known).subarray(begin);
      expect(placed.toString()).toBe(sent.subarray(known).toString());
    }
  });

  it.each(["before", "behind"])(
    "of which none was seen: somebody else's SYN/ACK %s the true one says nothing",
    (place) => {
      for (const more of [-REQUEST.length, -1, 1, 300]) {
        const talk = fastOpen(REQUEST.length);
        talk.packets.splice(0);
        talk.segment(talk.initial, 0, SYN, [option.capable(1)], Buffer.alloc(0), -REQUEST.length);
        talk.initial.next[0] = 1;
        if (place === "behind") talk.open(["syn-ack"]);
        const forged = {
          ...talk.initial,
          isn: [talk.initial.isn[0] + more, 77] as const,
          next: [1, 1] as [number, number],
        };
        talk.segment(forged, 1, SYN | ACK, [option.capable(1, [Buffer.alloc(8, 9)])]);
        if (place === "before") talk.open(["syn-ack"]);
        const { mptcp, initiator, text } = rebuilt(talk.open(["ack"]).send(0, "abc").send(1, "answer").close());
        expect([text, initiator.complete, mptcp.stream.responder.complete]).toEqual(["abc", true, true]);
        expect(mptcp.token.responder).toBe(`0x${talk.token(1).toString(16).padStart(8, "0")}`);
      }
    },
  );

  it("are taken, too, when the SYN that repeats it without them comes before it", () => {
    const talk = fastOpen(4);
    const [syn] = talk.packets.splice(0);
    talk.segment(talk.initial, 0, SYN, [option.capable(1)], Buffer.alloc(0), -4);
    talk.initial.next[0] = 1;
    if (syn !== undefined) talk.packets.push(syn);
    talk.open(["syn-ack", "ack"]).send(0, REQUEST.subarray(4)).send(0, "!").close();
    expect(rebuilt(talk)).toMatchObject({ text: `${REQUEST}!`, initiator: { octets: 15, complete: true } });
  });

  it("make no other id than an observer finds who did not see the SYN", () => {
    const whole = fastOpen(REQUEST.length).open(["ack"]).send(0, "abc").close();
    const id = rebuilt(whole).mptcp.session.id;
    whole.packets.splice(0, 1);
    expect(rebuilt(whole).mptcp.session.id).toBe(id);
  });
});

describe("octets of SYNs that wait for their answer", () => {
  const hold = (kept: FastOpens, session: number): void => kept.hold(session, 2 ** 20, new Uint8Array(2 ** 20), 0, 0);

  it("are 4 MiB in all, and their room comes back with the answer or the session's end", () => {
    const kept = new FastOpens();
    for (let session = 0; session < 5; session++) hold(kept, session);
    expect(kept.accept(4, 5)?.octets).toBeNull();
    expect(kept.accept(3, 5)?.octets).toHaveLength(2 ** 20);
    kept.forget(2);
    for (let session = 5; session < 8; session++) hold(kept, session);
    expect([5, 6, 7].map((session) => kept.accept(session, 5)?.octets?.length)).toEqual([2 ** 20, 2 ** 20, undefined]);
  });

  it("say nothing any more of a session that has ended", () => {
    const kept = new FastOpens();
    hold(kept, 0);
    expect(kept.shift(0)).toBeNull();
    kept.forget(0);
    expect([kept.shift(0), kept.accept(0, 5)]).toEqual([0, null]);
  });
});
