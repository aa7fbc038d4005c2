import fc from "fast-check";
import { FINDINGS, type FindingKind, type FindingRecord } from "../../schema/finding-record.ts";
import {
  ACTION_TYPES,
  ACTIONS,
  type AddressRecord,
  CAPABLE_FLAGS,
  type CheckRecord,
  CLOSE_REASONS,
  DIGEST_REASONS,
  EVIDENCE,
  FALLBACK_CAUSES,
  MAX_ADDRESSES,
  MAX_AGENTS,
  MAX_CHECKSUM_FAILURES,
  MAX_CONFLICTS,
  MAX_FAILS,
  MAX_MISSING,
  MAX_PRIORITIES,
  MAX_TRANSLATIONS,
  RESET_REASONS,
  REWRITE_KINDS,
  type RewrittenRecord,
  type SessionRecord,
  SHED_REASONS,
  SIDES,
  type StreamRecord,
  SUBFLOW_CLOSE_REASONS,
  SUBFLOW_KINDS,
  type SubflowRecord,
  UNVERIFIABLE_REASONS,
  VERDICTS,
} from "../../schema/session-record.ts";
import type { StreamChunk } from "../../schema/stream-chunk.ts";

// Counters are drawn near the widths where encodings change as well as anywhere below 2^53.
const count = fc.oneof(
  fc.nat(300),
  fc.constantFrom(0x7f, 0xff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, Number.MAX_SAFE_INTEGER),
  fc.maxSafeNat(),
);
const either = <T>(value: fc.Arbitrary<T>) => fc.record({ initiator: value, responder: value });
const nullable = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: null });
const time = fc
  .tuple(fc.integer({ min: 0, max: 4102444800 }), fc.nat(999_999))
  .map(([s, micros]) => `${new Date(s * 1000).toISOString().slice(0, 19)}.${String(micros).padStart(6, "0")}Z`);
const hex = (digits: number) =>
  fc.array(fc.constantFrom(..."0123456789abcdef"), { minLength: digits, maxLength: digits }).map((a) => a.join(""));
const idsn = fc.oneof(
  fc.constantFrom("0", "127", "4294967296", "9007199254740993", "9223372036854775808", "18446744073709551615"),
  fc.bigInt({ min: 0n, max: 0xffffffffffffffffn }).map(String),
);
const communityId = fc
  .uint8Array({ minLength: 20, maxLength: 20 })
  .map((a) => `1:${Buffer.from(a).toString("base64")}`);
const ip = fc.oneof(
  fc.ipV4(),
  fc.ipV6().filter((text) => !text.includes(".")),
);
const endpoint = fc.record({ ip, port: fc.nat(65_535), bytes: count, packets: count });

const checksum = fc
  .record({
    ...{ verified: count, failed: count, old_byte_order: count, unverifiable: count },
    reasons: fc.uniqueArray(fc.constantFrom(...UNVERIFIABLE_REASONS), { minLength: 1 }),
    failures: fc.array(fc.record({ subflow: count, offset: nullable(count), length: count }), {
      maxLength: MAX_CHECKSUM_FAILURES,
    }),
  })
  .map(({ reasons, ...made }) => ({
    ...made,
    ...(made.unverifiable === 0
      ? {}
      : { unverifiable_reasons: Object.fromEntries(reasons.map((reason, i) => [reason, i + 1])) }),
  }));
const copy = fc.record({
  subflow: nullable(count),
  agent: fc.string({ unit: "grapheme", maxLength: 12 }),
  octets: fc.integer({ min: 1, max: 32 }).chain((octets) => hex(octets * 2)),
});

const stream: fc.Arbitrary<StreamRecord> = fc
  .record(
    {
      octets: count,
      contiguous: count,
      missing: fc.array(fc.record({ offset: count, length: count.filter((n) => n > 0) }), { maxLength: MAX_MISSING }),
      missing_octets: count,
      cut_octets: count,
      acknowledged: nullable(count),
      unseen_octets: nullable(count),
      unseen_share: nullable(fc.nat(1_000_000).map((millionths) => millionths / 1_000_000)),
      conflicting: nullable(count),
      checksum: nullable(checksum),
      conflicts: fc.array(fc.record({ offset: count, length: count.filter((n) => n > 0), first: copy, second: copy }), {
        maxLength: MAX_CONFLICTS,
        size: "small",
      }),
      conflicts_left_out: count,
      repeated_octets: count,
      reinjected_octets: count,
      not_compared_octets: count,
      window_probes: count,
      complete: fc.boolean(),
      sha256: hex(64),
      sha256_unavailable: fc.constantFrom(...DIGEST_REASONS),
    },
    {
      requiredKeys: [
        "octets",
        "contiguous",
        "missing",
        "missing_octets",
        "acknowledged",
        "unseen_octets",
        "unseen_share",
        "conflicting",
        "conflicts",
        "conflicts_left_out",
        "repeated_octets",
        "reinjected_octets",
        "not_compared_octets",
        "complete",
      ],
    },
  )
  .map((made) => ({ ...made, complete: made.complete && made.missing_octets === 0 }));

const join = fc
  .record({ hmac: either(fc.constantFrom(...VERDICTS)), reason: fc.constantFrom(...UNVERIFIABLE_REASONS) })
  .map(({ hmac, reason }) =>
    hmac.initiator === "unverifiable" || hmac.responder === "unverifiable"
      ? { hmac, unverifiable_reason: reason }
      : { hmac },
  );

const finding: fc.Arbitrary<CheckRecord | null> = nullable(
  fc
    .record({ verdict: fc.constantFrom(...VERDICTS), reason: fc.constantFrom(...UNVERIFIABLE_REASONS) })
    .map(({ verdict, reason }) =>
      verdict === "unverifiable" ? { verdict, unverifiable_reason: reason } : { verdict },
    ),
);
const capableFlags = nullable(fc.subarray([...CAPABLE_FLAGS]));
const versionNumber = nullable(fc.nat(15));

const agents = fc.array(fc.string({ unit: "grapheme", maxLength: 12 }), { maxLength: MAX_AGENTS });
const end = fc.record({ ip, port: fc.nat(65_535) });

const positive = count.filter((n) => n > 0);
const roundTrip = fc.record({ min_micros: positive, smoothed_micros: positive });
const subflowData = fc.record(
  {
    ...{ octets: count, retransmissions: count, out_of_order: count, reinjected_octets: count, unmapped_octets: count },
    share: nullable(fc.constantFrom(0, 0.25, 0.3333, 1)),
    refused_octets: count,
  },
  {
    requiredKeys: ["octets", "retransmissions", "out_of_order", "reinjected_octets", "unmapped_octets", "share"],
  },
);

const resetReason = fc.record({
  side: fc.constantFrom(...SIDES),
  reason: fc.constantFrom(...RESET_REASONS),
  code: fc.nat(255),
  transient: fc.boolean(),
});

const wholeSubflow: fc.Arbitrary<SubflowRecord> = fc.record({
  id: count,
  kind: fc.constantFrom(...SUBFLOW_KINDS),
  opener: fc.constantFrom(...SIDES),
  source: endpoint,
  destination: endpoint,
  community_id: communityId,
  start: time,
  end: time,
  close: fc.record(
    { reason: fc.constantFrom(...SUBFLOW_CLOSE_REASONS), mp_tcprst: resetReason },
    { requiredKeys: ["reason"] },
  ),
  priority: fc.array(fc.record({ side: fc.constantFrom(...SIDES), backup: fc.boolean(), at: time }), {
    maxLength: MAX_PRIORITIES,
    size: "small",
  }),
  address_id: either(nullable(fc.nat(255))),
  backup: fc.boolean(),
  join: nullable(join),
  data: either(subflowData),
  keep_alives: count,
  contradicting_mappings: count,
  round_trip: either(nullable(roundTrip)),
  mirror_duplicates: count,
  agents,
});
const translated = fc.record({ source: end, destination: end, community_id: communityId, agents });
const subflow = fc.tuple(wholeSubflow, fc.array(translated, { maxLength: MAX_TRANSLATIONS }), count, count).map(
  ([made, seen, implausible, uncompared]): SubflowRecord => ({
    ...made,
    ...(seen.length === 0 ? {} : { translated: seen }),
    ...(implausible === 0 ? {} : { implausible_segments: implausible }),
    ...(uncompared === 0 ? {} : { uncompared_copies: uncompared }),
  }),
);

const address: fc.Arbitrary<AddressRecord> = fc.record(
  {
    side: fc.constantFrom(...SIDES),
    address_id: fc.nat(255),
    ip: nullable(ip),
    port: nullable(fc.nat(65_535)),
    at: nullable(time),
    removed_at: nullable(time),
    echoed_at: nullable(time),
    hmac: finding,
    hmac_form: fc.constantFrom("rightmost" as const, "leftmost" as const),
  },
  { requiredKeys: ["side", "address_id", "ip", "port", "at", "removed_at"] },
);

const rewritten: fc.Arbitrary<RewrittenRecord> = fc.record({
  kind: fc.constantFrom(...REWRITE_KINDS),
  subflow: count,
  side: fc.constantFrom(...SIDES),
  between: fc.tuple(fc.string(), fc.string()),
  packets: count.filter((n) => n > 0),
  first: fc.record({
    at: time,
    ssn: nullable(fc.nat(2 ** 32 - 1)),
    before: nullable(hex(64)),
    after: nullable(hex(2)),
  }),
});

const mptcp = fc.record({
  session: fc.record({
    id: hex(32),
    revision: count.filter((n) => n > 0),
    evidence: fc.constantFrom(...EVIDENCE),
  }),
  version: fc.constantFrom(0 as const, 1 as const, null),
  negotiation: fc.record({ asked: versionNumber, agreed: versionNumber, flags: either(capableFlags) }),
  verdicts: fc.record({
    version: finding,
    key_echo: finding,
    token: either(finding.map((one) => (one?.verdict === "failed" ? null : one))),
    idsn: either(finding),
    fastclose: either(finding),
  }),
  token: either(nullable(hex(8).map((digits) => `0x${digits}`))),
  idsn: either(nullable(idsn)),
  checksum_required: nullable(fc.boolean()),
  fallback: nullable(fc.record({ cause: fc.constantFrom(...FALLBACK_CAUSES), at: time, subflow: nullable(count) })),
  mp_fail: fc.array(
    fc.record({ side: fc.constantFrom(...SIDES), subflow: nullable(count), offset: nullable(count), at: time }),
    {
      maxLength: MAX_FAILS,
      size: "small",
    },
  ),
  options: fc.record({
    malformed: count,
    unknown: fc.array(fc.record({ subtype: fc.integer({ min: 9, max: 15 }), segments: count.filter((n) => n > 0) }), {
      maxLength: 7,
    }),
    unproven: count,
  }),
  close: fc.record({ reason: fc.constantFrom(...CLOSE_REASONS), by: fc.constantFrom(...SIDES, "both" as const, null) }),
  stream: either(stream),
  addresses: fc.array(address, { maxLength: MAX_ADDRESSES, size: "small" }),
  subflows: fc.array(subflow, { maxLength: 4 }),
  rewritten: fc.array(rewritten, { maxLength: 3 }),
});

const shed = fc
  .subarray([...SHED_REASONS])
  .map((reasons) => ({ shed: Object.fromEntries(reasons.map((reason, i) => [reason, i + 1])) }));

/** Any session record that the schema accepts. */
export const anySessionRecord: fc.Arbitrary<SessionRecord> = fc
  .record({
    action: fc.constantFrom(...ACTIONS),
    at: time,
    event: fc.record({ id: hex(20), start: time, end: time, duration: count, reason: fc.string({ unit: "grapheme" }) }),
    network: fc.record({ type: fc.constantFrom("ipv4" as const, "ipv6" as const), bytes: count, packets: count }),
    communityId,
    source: endpoint,
    destination: endpoint,
    observer: fc.record({ name: fc.string({ unit: "grapheme" }), version: fc.string() }),
    mptcp,
    rejoin: fc.option(shed, { nil: undefined }),
  })
  .map(
    ({ action, at, event: { reason, ...event }, ...made }): SessionRecord => ({
      "@timestamp": at,
      event: {
        ...event,
        kind: "event",
        category: ["network"],
        type: [ACTION_TYPES[action]],
        dataset: "rejoin.session",
        action,
        ...(action === "session-ended" ? { reason } : {}),
      },
      network: { ...made.network, transport: "tcp", community_id: made.communityId },
      source: made.source,
      destination: made.destination,
      observer: { type: "rejoin", ...made.observer },
      mptcp: { ...made.mptcp, close: action === "session-ended" ? made.mptcp.close : null },
      ...(made.rejoin === undefined ? {} : { rejoin: made.rejoin }),
    }),
  );

/** Any finding record that the schema accepts. */
export const anyFindingRecord: fc.Arbitrary<FindingRecord> = fc
  .record({
    session: anySessionRecord,
    kind: fc.constantFrom(...(Object.keys(FINDINGS) as FindingKind[])),
    message: fc.string({ unit: "grapheme" }),
    subflow: nullable(fc.nat(255)),
    side: nullable(fc.constantFrom(...SIDES)),
  })
  .map(({ session, kind, message, subflow, side }) => ({
    "@timestamp": session["@timestamp"],
    event: {
      id: session.event.id,
      kind: "alert",
      category: ["network"],
      type: ["info"],
      dataset: "rejoin.finding",
      action: kind,
      severity: FINDINGS[kind],
    },
    message,
    network: { transport: "tcp", type: session.network.type, community_id: session.network.community_id },
    source: { ip: session.source.ip, port: session.source.port },
    destination: { ip: session.destination.ip, port: session.destination.port },
    observer: session.observer,
    mptcp: { session: { id: session.mptcp.session.id, revision: session.mptcp.session.revision }, subflow, side },
  }));

/** Any chunk of a stream that the schema accepts. */
export const anyStreamChunk: fc.Arbitrary<StreamChunk> = fc
  .record({
    session: anySessionRecord,
    side: fc.constantFrom(...SIDES),
    offset: fc.maxSafeNat(),
    hole: fc.maxSafeNat(),
    final: fc.boolean(),
    octets: fc.uint8Array({ maxLength: 100 }),
  })
  .map(({ session, octets, ...chunk }) => ({
    "@timestamp": session["@timestamp"],
    event: {
      id: session.event.id,
      kind: "event",
      category: ["network"],
      type: ["info"],
      dataset: "rejoin.stream",
      action: "stream-chunk",
    },
    observer: session.observer,
    mptcp: {
      session: { id: session.mptcp.session.id },
      chunk: { ...chunk, length: octets.length, octets: Buffer.from(octets).toString("base64") },
    },
  }));
