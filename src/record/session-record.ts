import type { AddressRecord, SessionRecord, SubflowRecord } from "../../schema/session-record.ts";
import { ACTION_TYPES, SIDES } from "../../schema/session-vocabulary.ts";
import { type AdvertisedAddress, addressFinding } from "../session/addresses.ts";
import type { Close, CloseReason } from "../session/ending.ts";
import { fallbackOf } from "../session/fallback.ts";
import { firstSubflow } from "../session/identity.ts";
import * as table from "../session/session-table.ts";
import type { Sessions } from "../session/sessions.ts";
import * as flow from "../subflow/subflow-row.ts";
import { communityId } from "./community-id.ts";
import { rareRecord } from "./rare-record.ts";
import { rewrittenRecord, shedRewritten } from "./rewritten-record.ts";
import { streamRecord } from "./stream-record.ts";
import { payloadOfSides } from "./subflow-figures.ts";
import { endpointRecord, subflowRecord } from "./subflow-record.ts";
import { timeText } from "./time-text.ts";
import { findingRecord, negotiationRecord, verdictsRecord } from "./verdicts-record.ts";

/** What a record needs besides the session's state. */
export interface RecordContext {
  readonly sessionId: string;
  readonly revision: number;
  readonly observer: { readonly name: string; readonly version: string };
  /** When the record is made, in packet time. */
  readonly atMicros: number;
  /** Null until the session has ended. */
  readonly close: Close | null;
  /** Whether digests of streams were asked for. */
  readonly isDigested: boolean;
  readonly agents: Copiers;
}

/** Who copied packets, as far as records tell of them. */
export interface Copiers {
  name(agent: number): string;
  /**
   * Copies that these agents' streams lost from one moment of packet time to another, by name; those that lost none are
   * left out.
   */
  lostBetween(agents: readonly number[], fromMicros: number, toMicros: number): ReadonlyMap<string, number>;
}

/** A copy that was lost is told by the next of its stream; so long before a session's first packet one may be its own. */
const LOSS_BEFORE_MICROS = 1_000_000;

/** `event.reason`: the end in words. */
const CLOSE_WORDS: Record<CloseReason, string> = {
  fin: "closed by its hosts",
  fastclose: "aborted by MP_FASTCLOSE",
  reset: "every subflow was reset or closed, without DATA_FIN both ways",
  replaced: "another connection took the address and port pair",
  idle: "no packet for the idle time",
  evicted: "given up for a newer session: the table of sessions was full",
  "end-of-input": "the input ended while the session was open",
  shutdown: "the collector stopped while the session was open",
};

/** A session's state as its record (schema/session-record.ts). */
export function sessionRecord(sessions: Sessions, session: number, context: RecordContext): SessionRecord {
  const { floats } = sessions.table;
  const base = session * table.SESSION_WORDS;
  const state = sessions.table.state(session);
  const members = sessions.subflowsOf(session);
  const first = firstSubflow(sessions, session);
  const sums = payloadOfSides(sessions, session);
  const agentName = (agent: number): string => context.agents.name(agent);
  const subflows = members.map((subflow, id) => subflowRecord(sessions, session, subflow, id, sums, agentName));
  const source = total(sessions, subflows, first, "initiator");
  const destination = total(sessions, subflows, first, "responder");
  const start = floats[(base + table.SESSION_START) >> 1]!;
  const end = sessions.lastMicros(session);
  const action =
    context.close !== null ? "session-ended" : context.revision === 1 ? "session-opened" : "session-updated";
  const isIpv6 = (sessions.subflows.hot[first * flow.HOT_WORDS + flow.STATE]! & flow.STATE_IPV6) !== 0;
  const shed = shedOf(sessions, session, members);
  const sides = <T>(of: (side: 0 | 1) => T): { initiator: T; responder: T } => ({ initiator: of(0), responder: of(1) });
  return {
    "@timestamp": timeText(context.atMicros),
    event: {
      id: `${context.sessionId}-${context.revision}`,
      kind: "event",
      category: ["network"],
      type: [ACTION_TYPES[action]],
      dataset: "rejoin.session",
      action,
      start: timeText(start),
      end: timeText(end),
      duration: Math.min(Math.max(0, Math.round((end - start) * 1000)), Number.MAX_SAFE_INTEGER),
      ...(context.close === null ? {} : { reason: CLOSE_WORDS[context.close.reason] }),
    },
    network: {
      transport: "tcp",
      type: isIpv6 ? "ipv6" : "ipv4",
      community_id: communityId(
        isIpv6,
        { address: sessions.addressWords(first, 0), port: source.port },
        { address: sessions.addressWords(first, 1), port: destination.port },
      ),
      bytes: source.bytes + destination.bytes,
      packets: source.packets + destination.packets,
    },
    source,
    destination,
    observer: { type: "rejoin", ...context.observer },
    mptcp: {
      session: { id: context.sessionId, revision: context.revision, evidence: evidenceOf(state) },
      version: sessions.table.version(session),
      ...(state & (table.S_ORPHAN | table.S_MIDSTREAM) ? {} : { negotiation: negotiationRecord(sessions, session) }),
      verdicts: verdictsRecord(sessions, session),
      token: sides((side) =>
        state & (table.S_KEY << side) || (state & table.S_ORPHAN && side === 1)
          ? `0x${sessions.tokens.of(session, side).toString(16).padStart(8, "0")}`
          : null,
      ),
      idsn: sides((side) => idsnText(sessions, session, side)),
      checksum_required: state & table.S_FLAGS ? (state & table.S_CHECKSUM) !== 0 : null,
      fallback: fallbackRecord(sessions, session, members),
      ...rareRecord(sessions, session, members),
      close: context.close,
      stream: sides((side) => streamRecord(sessions, session, side, context.isDigested, agentName)),
      addresses: (sessions.rare.addresses.get(session) ?? []).map((one) => addressRecord(sessions, session, one)),
      subflows,
      rewritten: rewrittenRecord(sessions, members, agentName),
      ...copiesLost(sessions, members, start, context),
    },
    ...(shed === null ? {} : { rejoin: { shed } }),
  };
}

/** Copies of its agents that were lost while the session was open: what it shows to be missing may be in them. */
function copiesLost(
  sessions: Sessions,
  members: readonly number[],
  start: number,
  { agents, atMicros, close }: RecordContext,
): Pick<SessionRecord["mptcp"], "copies_lost"> {
  const copiers = new Set(members.flatMap((subflow) => sessions.subflows.agents.of(subflow)));
  // One that did not end by itself was open to the last, also where its end and all behind its last packet are among the
  // losses.
  const isOpen = close?.reason === "end-of-input" || close?.reason === "shutdown";
  const until = isOpen ? Number.POSITIVE_INFINITY : atMicros;
  const lost = agents.lostBetween([...copiers], start - LOSS_BEFORE_MICROS, until);
  return lost.size === 0 ? {} : { copies_lost: [...lost].map(([agent, copies]) => ({ agent, copies })) };
}

/** Addresses and port of the first subflow, counts over all. */
function total(
  sessions: Sessions,
  subflows: readonly SubflowRecord[],
  first: number,
  side: (typeof SIDES)[number],
): SubflowRecord["source"] {
  const { ip, port } = endpointRecord(sessions, first, SIDES.indexOf(side));
  let bytes = 0;
  let packets = 0;
  for (const subflow of subflows) {
    const end = subflow.opener === side ? subflow.source : subflow.destination;
    bytes += end.bytes;
    packets += end.packets;
  }
  return { ip, port, bytes, packets };
}

/** What was seen of the handshake, by the S_ bits of a session. */
export function evidenceOf(state: number): SessionRecord["mptcp"]["session"]["evidence"] {
  return state & table.S_ORPHAN ? "orphan" : state & table.S_MIDSTREAM ? "midstream" : "handshake";
}

function idsnText(sessions: Sessions, session: number, side: number): string | null {
  const state = sessions.table.state(session);
  if ((state & (table.S_IDSN << side)) === 0 || evidenceOf(state) !== "handshake") return null;
  const at = session * table.SESSION_WORDS + table.SIDE + side * table.SIDE_WORDS;
  const { words } = sessions.table;
  return ((BigInt(words[at + table.IDSN_HI] ?? 0) << 32n) | BigInt(words[at + table.IDSN_LO] ?? 0)).toString();
}

function fallbackRecord(
  sessions: Sessions,
  session: number,
  members: readonly number[],
): SessionRecord["mptcp"]["fallback"] {
  const found = fallbackOf(sessions, session);
  if (found === null) return null;
  const { cause, atMicros, subflow } = found;
  return {
    cause,
    at: timeText(atMicros),
    subflow: subflow !== null && members.includes(subflow) ? members.indexOf(subflow) : null,
  };
}

function addressRecord(sessions: Sessions, session: number, address: AdvertisedAddress): AddressRecord {
  const time = (micros: number | null): string | null => (micros === null ? null : timeText(micros));
  const { finding, form } = addressFinding(sessions, session, address);
  return {
    side: SIDES[address.side],
    address_id: address.addressId,
    ip: address.ip,
    port: address.port,
    at: time(address.atMicros),
    removed_at: time(address.removedMicros),
    echoed_at: time(address.echoedMicros),
    hmac: findingRecord(finding),
    ...(form === null ? {} : { hmac_form: form }),
  };
}

/** What bounds kept out of the record, or null when nothing was. */
function shedOf(sessions: Sessions, session: number, members: readonly number[]): Record<string, number> | null {
  const { words } = sessions.table;
  const base = session * table.SESSION_WORDS;
  const side = (field: number): number => words[base + field]! + words[base + field + 1]!;
  const all = {
    subflows: words[base + table.SHED_SUBFLOWS]!,
    mappings: sessions
      .subflowsOf(session)
      .reduce((sum, one) => sum + sessions.subflows.cold[one * flow.COLD_WORDS + flow.SHED_MAPPINGS]!, 0),
    addresses: words[base + table.SHED_ADDRESSES]!,
    ranges: side(table.REFUSED_RANGES),
    octets: side(table.UNPLACED),
    options: sessions.rare.options.get(session)?.shed ?? 0,
    agents: members.reduce((sum, subflow) => sum + sessions.subflows.agents.unnamed(subflow), 0),
    rewritten: shedRewritten(sessions, members),
    tokens: sessions.tokens.shed(session),
  };
  const met = Object.entries(all).filter(([, shed]) => shed > 0);
  return met.length === 0 ? null : Object.fromEntries(met);
}
