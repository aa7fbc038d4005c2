import type { SubflowRecord, UnverifiableReason } from "../../schema/session-record.ts";
import { SIDES } from "../../schema/session-vocabulary.ts";
import * as join from "../session/join-state.ts";
import * as table from "../session/session-table.ts";
import type { Sessions } from "../session/sessions.ts";
import { resetBy } from "../subflow/resets.ts";
import * as flow from "../subflow/subflow-row.ts";
import { ipv4Text, ipv6Text } from "../wire/address.ts";
import { communityId } from "./community-id.ts";
import { priorityRecord, resetRecord } from "./rare-record.ts";
import { subflowFigures } from "./subflow-figures.ts";
import { timeText } from "./time-text.ts";

type Endpoint = SubflowRecord["source"];
type Translated = NonNullable<SubflowRecord["translated"]>[number];
type Join = NonNullable<SubflowRecord["join"]>;

/**
 * One subflow as the record tells it; `id` numbers it within its session, `sums` are the octets of each side over all
 * subflows, `agentName` names who copied it.
 */
export function subflowRecord(
  sessions: Sessions,
  session: number,
  subflow: number,
  id: number,
  sums: readonly [number, number],
  agentName: (agent: number) => string,
): SubflowRecord {
  const { hot, hotFloat, cold, coldFloat } = sessions.subflows;
  const word = sessions.join(subflow);
  const openerSide = word & join.OPENED_BY_RESPONDER ? 1 : 0;
  const isJoined = (word & join.IS_JOINED) !== 0;
  const isIpv6 = (hot[subflow * flow.HOT_WORDS + flow.STATE]! & flow.STATE_IPV6) !== 0;
  const ends = [openerSide, 1 - openerSide].map((side) => ({
    address: sessions.addressWords(subflow, side),
    port: sessions.port(subflow, side),
  })) as [{ address: Uint32Array; port: number }, { address: Uint32Array; port: number }];
  const idOf = (seen: number, shift: number): number | null =>
    word & join.IS_INITIAL ? 0 : word & seen ? (word >>> shift) & 255 : null;
  const opener = idOf(join.SAW_SYN, join.OPENER_ADDRESS_ID);
  const listener = idOf(join.SAW_SYN_ACK, join.LISTENER_ADDRESS_ID);
  const uncompared = sessions.subflows.seldom.uncompared.get(subflow);
  const record: SubflowRecord = {
    id,
    kind: word & join.IS_INITIAL ? "initial" : isJoined ? "joined" : "unknown",
    opener: SIDES[openerSide] ?? "initiator",
    source: endpointRecord(sessions, subflow, openerSide),
    destination: endpointRecord(sessions, subflow, 1 - openerSide),
    community_id: communityId(isIpv6, ends[0], ends[1]),
    start: timeText(coldFloat[(subflow * flow.COLD_WORDS + flow.START_MICROS) >> 1]!),
    end: timeText(hotFloat[(subflow * flow.HOT_WORDS + flow.LAST_MICROS) >> 1]!),
    close: { reason: subflowCloseReason(sessions, session, subflow), ...resetRecord(sessions, subflow) },
    address_id:
      openerSide === 0 ? { initiator: opener, responder: listener } : { initiator: listener, responder: opener },
    backup: (word & join.BACKUP) !== 0 || sessions.rare.backupAnswers.has(subflow),
    ...priorityRecord(sessions, session, subflow),
    join: isJoined ? joinRecord(sessions, session, subflow) : null,
    ...subflowFigures(sessions, subflow, sums),
    mirror_duplicates: cold[subflow * flow.COLD_WORDS + flow.DUPLICATES]!,
    ...(uncompared === undefined ? {} : { uncompared_copies: uncompared }),
    agents: sessions.subflows.agents.of(subflow).map(agentName).sort(),
  };
  const translated = sessions.subflows.translations.flowsOf(subflow);
  if (translated.length > 0) {
    record.translated = translated.map((flow) => translatedRecord(sessions, flow, openerSide, agentName));
  }
  return record;
}

/** A subflow as other agents saw it, on the other side of an address translator. */
function translatedRecord(
  sessions: Sessions,
  seenAs: number,
  openerSide: 0 | 1,
  agentName: (agent: number) => string,
): Translated {
  const isIpv6 = (sessions.subflows.hot[seenAs * flow.HOT_WORDS + flow.STATE]! & flow.STATE_IPV6) !== 0;
  const [opener, listener] = [openerSide, 1 - openerSide].map((side) => ({
    address: sessions.addressWords(seenAs, side),
    port: sessions.port(seenAs, side),
    ip: endpointRecord(sessions, seenAs, side).ip,
  })) as [{ address: Uint32Array; port: number; ip: string }, { address: Uint32Array; port: number; ip: string }];
  return {
    source: { ip: opener.ip, port: opener.port },
    destination: { ip: listener.ip, port: listener.port },
    community_id: communityId(isIpv6, opener, listener),
    agents: sessions.subflows.agents.of(seenAs).map(agentName).sort(),
  };
}

/** The end of a subflow that belongs to this side of the session. */
export function endpointRecord(sessions: Sessions, subflow: number, side: number): Endpoint {
  const { hot, hotFloat } = sessions.subflows;
  const base = subflow * flow.HOT_WORDS;
  const higher = sessions.higherOf(subflow, side);
  const words = sessions.addressWords(subflow, side);
  return {
    ip: hot[base + flow.STATE]! & flow.STATE_IPV6 ? ipv6Text([...words]) : ipv4Text(words[0] ?? 0),
    port: sessions.port(subflow, side),
    bytes: hotFloat[((base + flow.IP_OCTETS) >> 1) + higher]!,
    packets: hot[flow.direction(subflow, higher) + flow.PACKETS]!,
  };
}

/** Why a subflow of a session ended; `open` where it has not. */
export function subflowCloseReason(
  sessions: Sessions,
  session: number,
  subflow: number,
): SubflowRecord["close"]["reason"] {
  const state = sessions.subflows.hot[subflow * flow.HOT_WORDS + flow.STATE]!;
  if (sessions.join(subflow) & join.IS_REPLACED) return "replaced";
  if (sessions.table.state(session) & table.S_FASTCLOSE) return "fastclose";
  if (resetBy(sessions.subflows, subflow) !== null) return "reset";
  return (state & (3 * flow.STATE_FIN)) === 3 * flow.STATE_FIN ? "fin" : "open";
}

function joinRecord(sessions: Sessions, session: number, subflow: number): Join {
  const word = sessions.join(subflow);
  const opener = join.hmacVerdict(word, join.OPENER_VERDICT);
  const listener = join.hmacVerdict(word, join.LISTENER_VERDICT);
  const openerSide = word & join.OPENED_BY_RESPONDER ? 1 : 0;
  const hmac =
    openerSide === 1 ? { initiator: listener, responder: opener } : { initiator: opener, responder: listener };
  const rivals = sessions.rare.joinRivals.get(subflow);
  const others = rivals === undefined ? {} : { other_sessions: rivals };
  if (opener !== "unverifiable" && listener !== "unverifiable") return { hmac, ...others };
  const first = hmac.initiator === "unverifiable" ? 0 : 1;
  return {
    hmac,
    ...others,
    unverifiable_reason: unverifiableReason(sessions, session, subflow, openerSide, first === openerSide),
  };
}

/** Why the HMAC of a join's opener, or of its listener, could not be verified. */
function unverifiableReason(
  sessions: Sessions,
  session: number,
  subflow: number,
  openerSide: 0 | 1,
  isOpeners: boolean,
): UnverifiableReason {
  const keys = sessions.table.state(session) & (3 * table.S_KEY);
  if (keys === 0) return "no-handshake";
  if (keys !== 3 * table.S_KEY) return "key-unknown";
  const word = sessions.join(subflow);
  if (word & ((word & join.SAW_SYN_ACK) === 0 ? join.CUT_SYN_ACK : isOpeners ? join.CUT_ACK : 0)) return "truncated";
  // Both nonces are needed, and the segment with the HMAC.
  const unseen = (word & join.SAW_SYN) === 0 ? openerSide : (word & join.SAW_SYN_ACK) === 0 ? 1 - openerSide : -1;
  return unseen >= 0 && endpointRecord(sessions, subflow, unseen).packets === 0 ? "one-direction" : "segment-not-seen";
}
