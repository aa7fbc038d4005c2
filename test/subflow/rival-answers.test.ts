import { describe, expect, it } from "vitest";
import type { SessionRecord } from "../../schema/session-record.ts";
import { Conversation, type Subflow } from "../support/conversation.ts";
import { ACK, keys, option, SYN } from "../support/packets.ts";
import { run } from "../support/pipeline-run.ts";

const KEY = Buffer.from("0102030405060708", "hex");
/** ISNs of somebody who answers in the listener's name: far from its own, and just below and above. */
const ISNS = [0x77777777, 2_000_000 - 9, 2_000_000 + 9] as const;

/** The records of packets, which do not depend on how these come in vectors. */
function recordsOf({ packets }: Conversation): SessionRecord[] {
  const { records, totals } = run(packets, {}, 64);
  expect(run(packets, {}, 1).records).toEqual(records);
  expect(totals.sessions.live).toBe(0);
  return records;
}

/**
 * A SYN/ACK on a subflow as the listener would send it, but with another ISN and these options; it may acknowledge octets
 * that the SYN had not.
 */
function answer(talk: Conversation, on: Subflow, isn: number, options: readonly Uint8Array[], more = 0): Conversation {
  const next: [number, number] = [1 + more, 1];
  return talk.segment({ ...on, isn: [on.isn[0], isn], next }, 1, SYN | ACK, options);
}

const talked = (talk: Conversation): Conversation =>
  talk.send(0, "hello").send(1, "good day").send(0, "again").send(1, "bye").close();

/** What must be the same, whoever else answers. */
const essence = ({ mptcp }: SessionRecord | Record<string, never>) => ({
  token: mptcp?.token,
  idsn: mptcp?.idsn,
  stream: mptcp?.stream,
  fallback: mptcp?.fallback,
  close: mptcp?.close,
  version: mptcp?.version,
  checksum: mptcp?.checksum_required,
});

const OPTIONS = {
  "another key": (version: 0 | 1) => [option.capable(version, [KEY], [], 0x81)],
  "no option": () => [],
} as const;

describe.each([0, 1] as const)(
  "version %i: two SYN/ACKs to one SYN, of which the opener acknowledges one",
  (version) => {
    const [clean] = recordsOf(talked(new Conversation({ version }).open()));
    if (clean === undefined) throw new Error("no record");

    it.each(Object.keys(OPTIONS) as (keyof typeof OPTIONS)[])(
      "a forged one that comes first, with %s, goes",
      (name) => {
        for (const isn of ISNS) {
          const talk = new Conversation({ version }).open(["syn"]);
          answer(talk, talk.initial, isn, OPTIONS[name](version));
          const records = recordsOf(talked(talk.open(["syn-ack", "ack"])));
          const own = records.filter(({ mptcp }) => mptcp.close?.reason === "fin");
          expect(own.map(essence)).toEqual([essence(clean)]);
          // Who was believed to have fallen back is told of, and was another one.
          const others = records.filter(({ mptcp }) => mptcp.close?.reason !== "fin");
          expect(others.map(({ mptcp }) => mptcp.close?.reason)).toEqual(name === "no option" ? ["replaced"] : []);
        }
      },
    );

    it.each(Object.keys(OPTIONS) as (keyof typeof OPTIONS)[])(
      "a forged one that comes second, with %s, goes",
      (name) => {
        for (const isn of ISNS) {
          const talk = new Conversation({ version }).open(["syn", "syn-ack"]);
          answer(talk, talk.initial, isn, OPTIONS[name](version));
          expect(recordsOf(talked(talk.open(["ack"]))).map(essence)).toEqual([essence(clean)]);
        }
      },
    );

    it.each([0, 1])("a third answer changes nothing and is counted, nor does one that is repeated", (place) => {
      const talk = new Conversation({ version }).open(["syn"]);
      const forge = (isn: number) => answer(talk, talk.initial, isn, OPTIONS["another key"](version));
      if (place === 0) talk.open(["syn-ack"]);
      forge(ISNS[0]);
      talk.open(["syn-ack"]);
      forge(ISNS[0]);
      forge(ISNS[1]);
      talk.open(["syn-ack", "ack"]);
      const records = recordsOf(talked(talk));
      expect(records.map(essence)).toEqual([essence(clean)]);
      expect(records[0]?.mptcp.subflows[0]?.implausible_segments).toBe(1);
    });

    it.each([1, 300, 0xffff])(
      "one that acknowledges %i octets that were in no SYN goes, before the true one or after",
      (more) => {
        for (const isn of ISNS) {
          for (const parts of [["ack"], []] as const) {
            for (const place of ["first", "second"]) {
              const talk = new Conversation({ version }).open(["syn"]);
              const options = OPTIONS["another key"](version);
              if (place === "second") talk.open(["syn-ack"]);
              answer(talk, talk.initial, isn, options, more);
              if (place === "first") talk.open(["syn-ack"]);
              const [record, ...others] = recordsOf(talked(talk.open(parts)));
              expect(others).toEqual([]);
              expect(record?.mptcp.token.responder).toBe(clean.mptcp.token.responder);
              expect(record?.mptcp.stream.initiator).toEqual(clean.mptcp.stream.initiator);
              expect(record?.mptcp.stream.responder).toEqual(clean.mptcp.stream.responder);
            }
          }
        }
      },
    );

    it("nor does it move the opener's numbers where the true one was not seen, and its ISN was guessed", () => {
      const talk = new Conversation({ version }).open(["syn"]);
      answer(talk, talk.initial, 2_000_000 - 9, OPTIONS["another key"](version), 300);
      const records = recordsOf(talked(talk.open(["ack"])));
      expect(records.map(({ mptcp }) => mptcp.stream.initiator.octets)).toEqual([10]);
    });

    it("one that acknowledges more than a SYN can carry is no answer", () => {
      const talk = new Conversation({ version }).open(["syn"]);
      answer(talk, talk.initial, ISNS[0], OPTIONS["another key"](version), 0x10000);
      const [record, ...others] = recordsOf(talked(talk.open(["syn-ack", "ack"])));
      expect(others).toEqual([]);
      expect(record?.mptcp.subflows[0]?.implausible_segments).toBe(1);
      expect(record?.mptcp.stream).toEqual(clean.mptcp.stream);
    });

    it("without the third ACK, data of both directions show which was taken", () => {
      const talk = new Conversation({ version }).open(["syn"]);
      answer(talk, talk.initial, ISNS[0], OPTIONS["another key"](version));
      talk.open(["syn-ack"]).send(1, "good day").send(0, "hello").close();
      const [record, ...others] = recordsOf(talk);
      expect(others).toEqual([]);
      expect(record?.mptcp.token.responder).toBe(clean.mptcp.token.responder);
      expect(record?.mptcp.stream.responder.octets).toBe(8);
      expect(record?.mptcp.stream.initiator.octets).toBe(5);
    });

    it("behind the opener's ACK nobody answers any more, whatever else is forged to agree", () => {
      const talk = new Conversation({ version }).open();
      const isn = ISNS[0];
      answer(talk, talk.initial, isn, OPTIONS["another key"](version));
      const on: Subflow = { ...talk.initial, isn: [talk.initial.isn[0], isn], next: [1, 1] };
      talk.segment(on, 0, ACK, [option.capable(version, [KEY, KEY])]);
      const records = recordsOf(talked(talk));
      expect(records.map((record) => essence(record).stream)).toEqual([clean.mptcp.stream]);
      expect(records[0]?.mptcp.token).toEqual(clean.mptcp.token);
    });
  },
);

describe("two SYN/ACKs to the SYN of a join", () => {
  it.each(["first", "second"])(
    "whether it is a backup, the one that holds says, not a forged one that comes %s",
    (place) => {
      for (const isn of [0x77777777, 4_000_000]) {
        for (const isBackup of [false, true]) {
          const talk = new Conversation().open().send(0, "hello");
          const before = talk.packets.splice(0);
          const on = talk.join();
          const [syn, , ack] = talk.packets.splice(0);
          const hmac = keys.hmac(1, talk.keys[1], talk.keys[0], 0x0a0b0c0d, 0x01020304);
          answer(talk, on, isn, [option.joinSynAck(Buffer.alloc(8, 7), 5, 2, !isBackup)]);
          answer(talk, on, on.isn[1], [option.joinSynAck(hmac, 0x0a0b0c0d, 2, isBackup)]);
          const answers = talk.packets.splice(0);
          if (syn === undefined || ack === undefined) throw new Error("a join");
          talk.packets.push(...before, syn, ...(place === "first" ? answers : answers.reverse()), ack);
          talk.send(0, "again", { on }).close(talk.initial, on);
          const [record] = recordsOf(talk);
          const own = record?.mptcp.subflows.filter(({ join }) => join?.hmac.responder === "verified");
          expect(own?.map(({ backup }) => backup)).toEqual([isBackup]);
        }
      }
    },
  );

  it.each(["first", "second"])("a forged one that comes %s is told as replaced, and proves nothing", (place) => {
    for (const isn of [0x77777777, 4_000_000 - 9, 4_000_000 + 9]) {
      const talk = new Conversation().open().send(0, "hello");
      const before = talk.packets.splice(0);
      const on = talk.join();
      const [syn, synAck, ...behind] = talk.packets.splice(0);
      if (syn === undefined || synAck === undefined) throw new Error("a join");
      const [forged] = answer(talk, on, isn, [option.joinSynAck(Buffer.alloc(8, 7), 5, 2)]).packets.splice(0);
      if (forged === undefined) throw new Error("a SYN/ACK");
      const answers = place === "first" ? [forged, synAck] : [synAck, forged];
      talk.packets.push(...before, syn, ...answers, ...behind);
      talk.send(0, "again", { on }).send(1, "good day", { on }).close(talk.initial, on);
      const [record] = recordsOf(talk);
      expect(record?.mptcp.stream.initiator).toMatchObject({ octets: 10, complete: true });
      expect(record?.mptcp.stream.responder).toMatchObject({ octets: 8, complete: true });
      const joins = record?.mptcp.subflows.slice(1).map(({ join, close }) => [join?.hmac.responder, close.reason]);
      expect(joins?.toSorted()).toEqual([
        ["failed", "replaced"],
        ["verified", "fin"],
      ]);
    }
  });
});
