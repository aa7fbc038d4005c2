import { describe, expect, it } from "vitest";
import type { SessionRecord } from "../../schema/session-record.ts";
import { BEGIN, Conversation } from "../support/conversation.ts";
import { ACK, option } from "../support/packets.ts";
import { run } from "../support/pipeline-run.ts";

const MOST = 3;

/** A session of another client each time, long after the one before. */
const talkOf = (n: number, checksum: boolean): Conversation =>
  new Conversation({
    keys: [Buffer.alloc(8, n), Buffer.alloc(8, n + 100)],
    ends: [
      { ip: `10.1.0.${n}`, port: 40_000 },
      { ip: "10.2.0.2", port: 443 },
    ],
    atMicros: BEGIN + n * 100_000_000,
    checksum,
  }).open();

const wrongly = (talk: Conversation): void => {
  const shape = { dsn: talk.dsn(0, talk.offset[0]), ssn: talk.initial.next[0], length: 4, checksum: 1 };
  talk.segment(talk.initial, 0, ACK, [option.dss({ ack: talk.dsn(1, 0), ...shape })], Buffer.from("data"));
  talk.offset[0] += 4;
};

/** Each kind: what makes one entry, and how many a record lists, and counts where it lists none. */
const KINDS: readonly {
  readonly kind: string;
  readonly checksum?: true;
  readonly make: (talk: Conversation, n: number) => void;
  readonly listed: (record: SessionRecord) => number;
  readonly count: (record: SessionRecord) => number | undefined;
}[] = [
  {
    kind: "conflicts",
    make: (talk, n) => void talk.send(0, `one ${n}`).send(0, `ONE ${n}`, { at: talk.offset[0] - 5 }),
    listed: ({ mptcp }) => mptcp.stream.initiator.conflicts?.length ?? 0,
    count: ({ mptcp }) => mptcp.stream.initiator.conflicts_left_out,
  },
  {
    kind: "probes of closed windows that are known again",
    make: (talk, n) => {
      talk.send(0, `one ${n}`);
      const at = talk.offset[0] - 1;
      talk.segment(talk.initial, 1, ACK, [option.dss({ ack: talk.dsn(0, talk.offset[0]) })]);
      const ssn = talk.initial.next[0];
      talk.send(0, "?", { at }).send(0, "?", { at, ssn });
    },
    listed: ({ mptcp }) => 2 * MOST - (mptcp.stream.initiator.window_probes ?? 0),
    count: ({ mptcp }) => (mptcp.stream.initiator.window_probes ?? 0) - MOST,
  },
  {
    kind: "announced addresses",
    make: (talk, n) => void talk.segment(talk.initial, 1, ACK, [Buffer.from([30, 4, 0x40, n + 1])]),
    listed: ({ mptcp }) => mptcp.addresses?.length ?? 0,
    count: ({ rejoin }) => rejoin?.shed?.addresses,
  },
  {
    kind: "MP_PRIO",
    make: (talk, n) => void talk.segment(talk.initial, 0, ACK, [option.prio(n % 2 === 0)]),
    listed: ({ mptcp }) => mptcp.subflows[0]?.priority?.length ?? 0,
    count: ({ rejoin }) => rejoin?.shed?.options,
  },
  {
    kind: "MP_FAIL",
    make: (talk, n) => void talk.segment(talk.initial, 1, ACK, [option.fail(talk.dsn(0, n))]),
    listed: ({ mptcp }) => mptcp.mp_fail?.length ?? 0,
    count: ({ rejoin }) => rejoin?.shed?.options,
  },
  {
    kind: "wrong checksums",
    checksum: true,
    make: wrongly,
    listed: ({ mptcp }) => mptcp.stream.initiator.checksum?.failures.length ?? 0,
    count: ({ mptcp }) => mptcp.stream.initiator.checksum?.failed,
  },
];

describe.each(KINDS)("$kind of all sessions", ({ checksum, make, listed, count }) => {
  it("are so many at a time; further ones are counted, and room comes back with the end of a session", () => {
    const talks = [1, 2, 3].map((n) => talkOf(n, checksum === true));
    for (const talk of talks) {
      for (let n = 0; n < MOST; n++) make(talk, n);
    }
    // The second one's entries come while the first one's are kept; the third one's when they are kept no more.
    talks[0]?.wait(120).reset(0);
    const packets = talks.flatMap((talk) => talk.packets).sort((a, b) => a.atMicros - b.atMicros);
    const { records } = run(packets, { bounds: { sessions: 16, subflows: 16, rareEntries: MOST } }, 1);
    const of = (n: number): SessionRecord => {
      const found = records.find(({ source }) => source.ip === `10.1.0.${n}`);
      if (found === undefined) throw new Error(`no record of session ${n}`);
      return found;
    };
    expect([1, 2, 3].map((n) => listed(of(n)))).toEqual([MOST, 0, MOST]);
    expect(count(of(2))).toBe(MOST);
  });
});

it("MP_TCPRSTs beyond the bound are counted, too", () => {
  const talk = talkOf(1, false).send(0, "x");
  talk.reset(0, talk.initial, [Buffer.from("1e048001", "hex")]);
  const { records } = run(talk.packets, { bounds: { sessions: 16, subflows: 16, rareEntries: 0 } });
  expect(records[0]?.mptcp.subflows[0]?.close).not.toHaveProperty("mp_tcprst");
  expect(records[0]?.rejoin?.shed).toEqual({ options: 1 });
});
