import { AGENT_DATASET, type AgentRecord } from "../../schema/agent-record.ts";
import type { SessionRecord, Verdict } from "../../schema/session-record.ts";
import { SESSION_DATASET, SIDES, VERDICTS } from "../../schema/session-vocabulary.ts";
import type { AnyRecord } from "../../schema/topics.ts";
import { parseAddress } from "../../src/wire/address.ts";
import { isInRange, parseRange } from "../../src/wire/network.ts";

/** Checks of a session by the name that `--verdict` gives them. */
export const CHECKS = ["version", "key-echo", "token", "idsn", "fastclose", "join", "address", "checksum"] as const;
type Check = (typeof CHECKS)[number];

/** Says of a record whether somebody wants it. */
export type Filter = (record: AnyRecord) => boolean;

/**
 * Records with this address, or one out of this prefix: of either end of the session or of a subflow, before a NAT or
 * behind it, announced or, of a ledger, the agent's own. Null: `text` is no address and no prefix.
 */
export function byAddress(text: string): Filter | null {
  const wanted = parseRange(text);
  if (wanted === null) return null;
  const fits = (one: string): boolean => {
    const address = parseAddress(one);
    return address !== null && isInRange(wanted, address.family, address.words);
  };
  return (record) => [...endsOf(record), ...announcedBy(record)].some((end) => end.ip !== null && fits(end.ip));
}

/** Records with this TCP port, of either end of the session or of a subflow, or announced. Null: it is none. */
export function byPort(text: string): Filter | null {
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port > 65_535) return null;
  return (record) => [...endsOf(record), ...announcedBy(record)].some((end) => "port" in end && end.port === port);
}

/** Sessions and findings with this Community ID, as Zeek and Suricata log it; sessions also by that of any subflow. */
export function byCommunityId(text: string): Filter | null {
  if (!/^1:[A-Za-z0-9+/]{27}=$/.test(text)) return null;
  return (record) => {
    if (!("network" in record)) return false;
    if (record.network.community_id === text) return true;
    return flowsOf(record).some((flow) => "community_id" in flow && flow.community_id === text);
  };
}

/** Sessions in which either side has this token, `0x` and eight digits or without `0x`. */
export function byToken(text: string): Filter | null {
  const digits = /^(?:0x)?([0-9a-f]{8})$/i.exec(text)?.[1]?.toLowerCase();
  if (digits === undefined) return null;
  return (record) => isSession(record) && SIDES.some((side) => record.mptcp.token[side] === `0x${digits}`);
}

/** Sessions, findings and chunks of the session whose id is this or, as tables show it, begins so, in either case. */
export function bySession(text: string): Filter | null {
  if (!/^[A-Za-z0-9_-]{4,64}$/.test(text)) return null;
  const begin = text.toLowerCase();
  return (record) => "mptcp" in record && record.mptcp.session.id.toLowerCase().startsWith(begin);
}

/**
 * Sessions with such a verdict: `failed` of any check, or `join=failed` of one of `CHECKS`. DSS checksums that are right
 * in the old octet order count as verified.
 */
export function byVerdict(text: string): Filter | null {
  const [name, word] = text.includes("=") ? text.split("=", 2) : [null, text];
  const check = CHECKS.find((one) => one === name) ?? null;
  const verdict = VERDICTS.find((one) => one === word);
  if (verdict === undefined || (name !== null && check === null)) return null;
  return (record) => isSession(record) && verdictsOf(record, check).includes(verdict);
}

function verdictsOf({ mptcp }: SessionRecord, check: Check | null): Verdict[] {
  const { verdicts } = mptcp;
  const found: Record<Check, () => (Verdict | undefined)[]> = {
    version: () => [verdicts?.version?.verdict],
    "key-echo": () => [verdicts?.key_echo?.verdict],
    token: () => SIDES.map((side) => verdicts?.token[side]?.verdict),
    idsn: () => SIDES.map((side) => verdicts?.idsn[side]?.verdict),
    fastclose: () => SIDES.map((side) => verdicts?.fastclose[side]?.verdict),
    join: () => mptcp.subflows.flatMap(({ join }) => SIDES.map((side) => join?.hmac[side])),
    address: () => mptcp.addresses.map(({ hmac }) => hmac?.verdict),
    checksum: () => SIDES.flatMap((side) => checksumVerdicts(mptcp.stream[side].checksum)),
  };
  const asked = check === null ? CHECKS : [check];
  return asked.flatMap((name) => found[name]().filter((verdict) => verdict !== undefined));
}

function checksumVerdicts(sums: SessionRecord["mptcp"]["stream"]["initiator"]["checksum"]): Verdict[] {
  if (sums === null || sums === undefined) return [];
  const counts = { ...sums, verified: sums.verified + sums.old_byte_order };
  return VERDICTS.filter((verdict) => counts[verdict] > 0);
}

type End = { readonly ip: string | null; readonly port?: number | null };

function endsOf(record: AnyRecord): readonly End[] {
  if (isAgent(record)) return record.source === null ? [] : [record.source];
  const whole = "source" in record ? [record.source, record.destination] : [];
  return [...whole, ...flowsOf(record).flatMap(({ source, destination }) => [source, destination])];
}

function flowsOf(record: AnyRecord) {
  return isSession(record) ? record.mptcp.subflows.flatMap((subflow) => [subflow, ...(subflow.translated ?? [])]) : [];
}

function announcedBy(record: AnyRecord): readonly End[] {
  return isSession(record) ? record.mptcp.addresses : [];
}

const isSession = (record: AnyRecord): record is SessionRecord => record.event.dataset === SESSION_DATASET;
const isAgent = (record: AnyRecord): record is AgentRecord => record.event.dataset === AGENT_DATASET;
