import { describe, expect, it } from "vitest";
import type { SessionRecord } from "../../schema/session-record.ts";
import { found, record, rewriting } from "./example.ts";

const nothing = { version: null, key_echo: null, token: both(null), idsn: both(null), fastclose: both(null) };
const failed = { verdict: "failed" } as const;
function both<T>(value: T): { initiator: T; responder: T } {
  return { initiator: value, responder: value };
}

/** The second subflow brought octets, and nothing shows that it is the session's. */
function refused({ mptcp: { subflows } }: SessionRecord): void {
  const [, joined] = subflows;
  if (joined?.join === null || joined?.data === undefined) throw new Error("the example has a join");
  joined.join = { hmac: both("unverifiable" as const), unverifiable_reason: "segment-not-seen" };
  Object.assign(joined.data.initiator, { refused_octets: 15 });
  Object.assign(joined.data.responder, { refused_octets: 0 });
}

/** A join alone: its SYN, and a reset. */
function guessed({ mptcp }: SessionRecord): void {
  const [, joined] = mptcp.subflows;
  if (joined === undefined) throw new Error("the example has two subflows");
  mptcp.session.evidence = "orphan";
  const join = { hmac: both("unverifiable" as const), unverifiable_reason: "no-handshake" as const };
  const close = { reason: "reset" as const };
  mptcp.subflows = [{ ...joined, id: 0, join, close, address_id: { initiator: 1, responder: null } }];
  Object.assign(mptcp.subflows[0]?.source ?? {}, { packets: 1 });
  Object.assign(mptcp.subflows[0]?.destination ?? {}, { packets: 1 });
}

/** So many octets of the responder came without their mapping; 4,000 of 10,000 that were acknowledged are in no stream. */
function unmapped({ mptcp }: SessionRecord, octets: number): void {
  Object.assign(mptcp.stream.responder, {
    acknowledged: 10_000,
    unseen_octets: 4000,
    unseen_share: 0.4,
    cut_octets: 1,
  });
  Object.assign(mptcp.subflows[0]?.data?.responder ?? {}, { unmapped_octets: octets });
}

const CASES: [name: string, change: (record: SessionRecord) => void, told: object | null][] = [
  ["nothing", () => {}, null],
  [
    "a join HMAC that is wrong",
    ({ mptcp }) => Object.assign(mptcp.subflows[1]?.join?.hmac ?? {}, { initiator: "failed" }),
    { action: "join-hmac-failed", severity: 3, subflow: 1, side: "initiator" },
  ],
  [
    "an announced address whose HMAC is wrong",
    ({ mptcp }) => Object.assign(mptcp.addresses[0] ?? {}, { hmac: failed }),
    { action: "address-hmac-failed", subflow: null },
  ],
  [
    "a fast close with a wrong key",
    ({ mptcp }) => (mptcp.verdicts = { ...nothing, fastclose: { initiator: failed, responder: null } }),
    { action: "fastclose-key-wrong", side: "initiator" },
  ],
  [
    "keys that are not those of the handshake",
    ({ mptcp }) => (mptcp.verdicts = { ...nothing, key_echo: failed }),
    { action: "handshake-contradicted", side: "initiator" },
  ],
  [
    "verdicts that could not be had",
    ({ mptcp }) =>
      (mptcp.verdicts = { ...nothing, version: { verdict: "unverifiable", unverifiable_reason: "segment-not-seen" } }),
    null,
  ],
  [
    "octets that came again and differed",
    ({ mptcp }) => (mptcp.stream.initiator.conflicting = 4),
    { action: "octets-differ", side: "initiator", message: "4 octets of the initiator came again and were others" },
  ],
  [
    "the first place where they differed",
    ({ mptcp }) =>
      Object.assign(mptcp.stream.initiator, {
        conflicting: 1,
        conflicts: [
          {
            ...{ offset: 12, length: 1 },
            first: { subflow: 0, agent: "a", octets: "61" },
            second: { subflow: null, agent: "b", octets: "62" },
          },
        ],
      }),
    {
      action: "octets-differ",
      side: "initiator",
      message:
        "1 octet of the initiator came again and was another, first at octet 12 of the stream: 61 on subflow 0 (a), later 62 on a subflow that is no more (b)",
    },
  ],
  [
    "octets that differed one at a time, as in probes of a closed window",
    ({ mptcp }) => Object.assign(mptcp.stream.initiator, { conflicting: 20, conflicts_left_out: 20 }),
    {
      action: "octets-differ",
      side: "initiator",
      message: "20 octets of the initiator, each alone, came again and were others",
    },
  ],
  [
    "octets of which two stood together",
    ({ mptcp }) => Object.assign(mptcp.stream.initiator, { conflicting: 20, conflicts_left_out: 19 }),
    { action: "octets-differ", side: "initiator", message: "20 octets of the initiator came again and were others" },
  ],
  ["octets that came again the same", ({ mptcp }) => (mptcp.stream.initiator.conflicting = 0), null],
  [
    "a checksum that is wrong",
    ({ mptcp }) =>
      (mptcp.stream.responder.checksum = {
        verified: 9,
        failed: 1,
        old_byte_order: 0,
        unverifiable: 0,
        failures: [{ subflow: 1, offset: 100, length: 10 }],
      }),
    { action: "checksum-failed", subflow: 1, side: "responder" },
  ],
  [
    "options stripped between two agents",
    ({ mptcp }) => (mptcp.rewritten = [rewriting("option-stripped")]),
    {
      action: "option-rewritten",
      subflow: 1,
      side: "responder",
      message: "3 packets of the responder on subflow 1 lost their MPTCP options between router2 and router1",
    },
  ],
  [
    "options stripped of one packet",
    ({ mptcp }) => (mptcp.rewritten = [{ ...rewriting("option-stripped"), packets: 1 }]),
    { message: "1 packet of the responder on subflow 1 lost its MPTCP options between router2 and router1" },
  ],
  [
    "options added to one packet",
    ({ mptcp }) => (mptcp.rewritten = [{ ...rewriting("option-added"), packets: 1 }]),
    { message: "1 packet of the responder on subflow 1 was given MPTCP options between router2 and router1" },
  ],
  [
    "payload changed between two agents",
    ({ mptcp }) => (mptcp.rewritten = [rewriting("payload")]),
    { action: "payload-rewritten", subflow: 1, side: "responder" },
  ],
  [
    "a mark changed between two agents, which networks may do on purpose",
    ({ mptcp }) => (mptcp.rewritten = [rewriting("dscp")]),
    { action: "mark-rewritten", severity: 1, subflow: 1, side: "responder" },
  ],
  [
    "octets of a join that nothing proves",
    refused,
    { action: "join-unproven", severity: 1, subflow: 1, side: "initiator" },
  ],
  [
    "an octet of a join that nothing proves",
    (made) => {
      refused(made);
      Object.assign(made.mptcp.subflows[1]?.data?.initiator ?? {}, { refused_octets: 1 });
    },
    { message: "1 octet of the initiator came on subflow 1, whose join nothing proves: it is in no stream" },
  ],
  [
    "octets of a join that nothing proves yet: the session lives on",
    (made) => {
      refused(made);
      made.mptcp.close = null;
    },
    null,
  ],
  [
    "a join that was reset, of a token that is nobody's",
    guessed,
    { action: "join-token-unknown", severity: 1, subflow: 0, side: "initiator" },
  ],
  [
    "a join that was reset, of a token whose handshake may still come",
    (made) => {
      guessed(made);
      made.mptcp.close = null;
    },
    null,
  ],
  [
    "a join whose opener sent more than its SYN, and may have reset it",
    (made) => {
      guessed(made);
      Object.assign(made.mptcp.subflows[0]?.source ?? {}, { packets: 2 });
    },
    null,
  ],
  [
    "an option of a length that it cannot have",
    ({ mptcp }) => (mptcp.options = { malformed: 1, unknown: [] }),
    { action: "options-malformed", severity: 2, message: expect.stringMatching(/^1 MPTCP option has a length/) },
  ],
  [
    "an option that a segment had twice",
    ({ mptcp }) => (mptcp.options = { malformed: 0, unknown: [], repeated: 2 }),
    { action: "option-repeated", severity: 3, message: expect.stringMatching(/^2 MPTCP options stood twice/) },
  ],
  [
    "mappings that receivers take in different ways",
    ({ mptcp }) =>
      Object.assign(mptcp.subflows[1] ?? {}, {
        ...{ contradicting_mappings: 2, misplaced_mappings: 1, unagreed_checksums: 3 },
      }),
    {
      ...{ action: "mapping-ambiguous", severity: 3, subflow: 1 },
      message:
        "on subflow 1 2 mappings contradict earlier ones, and 1 mapping stands on a segment with other octets, and " +
        "3 mappings have checksums that were not agreed on: the receiver may have read another stream than is shown",
    },
  ],
  [
    "octets that came again without a mapping",
    ({ mptcp }) => Object.assign(mptcp.subflows[0] ?? {}, { unplaced_repeats: 1 }),
    {
      ...{ action: "repeats-not-compared", severity: 1, subflow: 0 },
      message: expect.stringMatching(/^1 octet came again on subflow 0 without a mapping, and was not compared/),
    },
  ],
  [
    "options that no RFC gives a meaning",
    ({ mptcp }) => (mptcp.options = { malformed: 0, unknown: [{ subtype: 12, segments: 4 }] }),
    null,
  ],
  [
    "segments where no host takes them",
    ({ mptcp }) => Object.assign(mptcp.subflows[1] ?? {}, { implausible_segments: 3 }),
    {
      ...{ action: "segments-implausible", severity: 1, subflow: 1 },
      message:
        "3 segments on subflow 1 lay where no host takes them, such as resets that are made up: they changed nothing",
    },
  ],
  [
    "the same of a subflow that then was reset",
    ({ mptcp }) => Object.assign(mptcp.subflows[1] ?? {}, { implausible_segments: 1, close: { reason: "reset" } }),
    {
      ...{ action: "segments-implausible", severity: 1, subflow: 1 },
      message:
        "1 segment on subflow 1 lay where no host takes it, such as a reset that is made up: the reset that ended the subflow may be of the same hand",
    },
  ],
  [
    "the same of a subflow whose 4-tuple another connection took",
    ({ mptcp }) => Object.assign(mptcp.subflows[1] ?? {}, { implausible_segments: 2, close: { reason: "replaced" } }),
    {
      action: "segments-implausible",
      message: expect.stringMatching(/the SYN that took its addresses and ports may be of the same hand$/),
    },
  ],
  [
    "a fallback after the handshake",
    ({ mptcp }) => (mptcp.fallback = { cause: "checksum", at: "2026-11-22T20:08:13Z", subflow: 0 }),
    { action: "late-fallback", subflow: 0 },
  ],
  [
    "a third ACK without the option, at the end",
    ({ mptcp }) => (mptcp.fallback = { cause: "ack-without-option", at: "2026-11-22T20:08:13Z", subflow: 0 }),
    { action: "late-fallback", subflow: 0 },
  ],
  [
    "a third ACK without the option: a copy of the SYN/ACK, stripped, may still come",
    ({ mptcp }) => {
      mptcp.close = null;
      mptcp.fallback = { cause: "ack-without-option", at: "2026-11-22T20:08:13Z", subflow: 0 };
    },
    null,
  ],
  [
    "a server that does not know MPTCP",
    ({ mptcp }) => (mptcp.fallback = { cause: "syn-ack-without-option", at: "2026-11-22T20:08:13Z", subflow: 0 }),
    null,
  ],
  [
    "octets that were acknowledged and that no agent saw",
    ({ mptcp }) =>
      Object.assign(mptcp.stream.responder, { acknowledged: 10_000, unseen_octets: 4000, unseen_share: 0.4 }),
    { action: "path-not-monitored", severity: 1, side: "responder" },
  ],
  [
    "octets that were acknowledged and whose mappings are missing, for copies were cut",
    (made) => unmapped(made, 4000),
    {
      action: "mapping-not-seen",
      severity: 1,
      side: "responder",
      message: expect.stringMatching(/\(40 %\).*snap length\)$/),
    },
  ],
  [
    "octets that were acknowledged, some of them without a mapping: the others passed no agent",
    (made) => unmapped(made, 300),
    { action: "path-not-monitored", message: expect.stringMatching(/^3,700 octets of the responder \(37 %\)/) },
  ],
  [
    "octets that were acknowledged and that no agent saw, while a stranger sent as many without a mapping",
    (made) => {
      unmapped(made, 4000);
      Object.assign(made.mptcp.subflows[0]?.data?.responder ?? {}, { refused_octets: 4000 });
      Object.assign(made.mptcp.subflows[0] ?? {}, { join: { hmac: { initiator: "failed", responder: "verified" } } });
    },
    [{ action: "join-hmac-failed" }, { action: "path-not-monitored", message: expect.stringMatching(/^4,000 octets/) }],
  ],
  [
    "octets that were acknowledged and that no agent saw yet: the session lives on, and an agent may be behind",
    ({ mptcp }) => {
      mptcp.close = null;
      Object.assign(mptcp.stream.responder, { acknowledged: 10_000, unseen_octets: 4000, unseen_share: 0.4 });
    },
    null,
  ],
  [
    "octets that are missing while an agent lost copies",
    ({ mptcp }) => {
      Object.assign(mptcp.stream.responder, { missing_octets: 1380, complete: false });
      mptcp.copies_lost = [
        { agent: "router1", copies: 1939 },
        { agent: "router2", copies: 1 },
      ];
    },
    {
      action: "copies-lost",
      severity: 1,
      side: "responder",
      message: "1,380 octets of the responder missing; router1, router2 lost 1,940 copies meanwhile",
    },
  ],
  [
    "copies that were lost and left no hole",
    ({ mptcp }) => {
      mptcp.copies_lost = [{ agent: "router1", copies: 2 }];
      for (const stream of Object.values(mptcp.stream)) Object.assign(stream, { missing_octets: 0, unseen_octets: 0 });
    },
    null,
  ],
  [
    "what an agent loses now and then",
    ({ mptcp }) =>
      Object.assign(mptcp.stream.responder, { acknowledged: 1e6, unseen_octets: 4000, unseen_share: 0.004 }),
    null,
  ],
  [
    "a bound that was met",
    (made) => (made.rejoin = { shed: { subflows: 2, ranges: 7 } }),
    { action: "bound-met", severity: 1, message: "bounds kept out of the record: 2 subflows, 7 ranges" },
  ],
  [
    "a bound that kept one of each out of the record",
    (made) => (made.rejoin = { shed: { subflows: 1, addresses: 1, ranges: 1, rewritten: 1 } }),
    { message: "bounds kept out of the record: 1 subflow, 1 address, 1 range, 1 rewritten" },
  ],
];

describe("findings of a session's record", () => {
  it.each(CASES)("%s", (_, change, told) => {
    const flat = found(record(change)).map(({ event, message, mptcp }) => ({
      action: event.action,
      severity: event.severity,
      message,
      subflow: mptcp.subflow,
      side: mptcp.side,
    }));
    if (told === null) expect(flat).toEqual([]);
    else expect(flat).toMatchObject([told].flat());
  });

  it("names the ends of the subflow it is about", () => {
    const made = record(({ mptcp }) => (mptcp.rewritten = [rewriting("payload")]));
    const [finding] = found(made);
    expect(finding?.source.ip).toBe(made.mptcp.subflows[1]?.source.ip);
    expect(finding?.network.community_id).toBe(made.mptcp.subflows[1]?.community_id);
  });
});
