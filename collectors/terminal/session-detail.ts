import type {
  AddressRecord,
  CheckRecord,
  RewrittenRecord,
  SessionRecord,
  StreamRecord,
  SubflowRecord,
  Verdict,
} from "../../schema/session-record.ts";
import { SIDES } from "../../schema/session-vocabulary.ts";
import { findingsIn } from "../../src/findings/rules.ts";
import { findingText } from "./finding-line.ts";
import type { Style } from "./style.ts";
import { counted, grouped, hostPort, humanOctets, printable } from "./text.ts";

/** One session told in full, several lines without line ends: ends, streams, subflows with their verdicts, addresses, findings. */
export function sessionDetail(record: SessionRecord, style: Style): string[] {
  const { event, mptcp, rejoin } = record;
  const lines = [
    `${style.strong(`session ${mptcp.session.id}`)}  ${hostPort(record.source)} → ${hostPort(record.destination)}`,
    `  ${event.start}, ${seconds(event.duration)}, ${fate(record, style)}`,
    `  ${protocol(record, style)}`,
    ...checks(record, style),
    ...SIDES.map((side) => `  ${side} sent ${stream(mptcp.stream[side], style)}`),
    ...mptcp.subflows.flatMap((subflow) => subflowLines(subflow, style)),
    ...mptcp.addresses.map((address) => `  ${announced(address, style)}`),
    ...(mptcp.options === undefined ? [] : [`  ${optionsWords(mptcp.options, style)}`]),
    ...(mptcp.rewritten ?? []).map((one) => `  ${rewrittenWords(one, style)}`),
  ];
  for (const [reason, count] of Object.entries(rejoin?.shed ?? {})) {
    lines.push(`  ${style.doubt(`left out: ${grouped(count)} ${reason} beyond the bound`)}`);
  }
  for (const { kind, message } of findingsIn(record)) lines.push(findingText(kind, message, style, null));
  // The escapes of `style` are ours; everything else went through printable or has a closed form in the schema.
  return lines;
}

/** A verdict in the colour of what it means. */
export function verdictWord(verdict: Verdict, style: Style): string {
  return { verified: style.good, failed: style.bad, unverifiable: style.doubt }[verdict](verdict);
}

/** Nanoseconds as seconds with milliseconds: `1.946 s`. */
function seconds(nanoseconds: number): string {
  return `${(nanoseconds / 1e9).toFixed(3)} s`;
}

function fate({ event, mptcp }: SessionRecord, style: Style): string {
  if (mptcp.close === null) return style.quiet(`open (${event.action.slice("session-".length)})`);
  const { reason, by } = mptcp.close;
  const words = event.reason === undefined ? "" : ` (${printable(event.reason)})`;
  return `ended by ${reason}${by === null ? "" : ` of ${by === "both" ? "both sides" : `the ${by}`}`}${words}`;
}

function protocol({ mptcp }: SessionRecord, style: Style): string {
  const version = mptcp.version === null ? "MPTCP of unknown version" : `MPTCP version ${mptcp.version}`;
  const tokens = `tokens ${mptcp.token.initiator ?? "?"} and ${mptcp.token.responder ?? "?"}`;
  const evidence = mptcp.session.evidence === "handshake" ? "handshake seen" : style.doubt(mptcp.session.evidence);
  const fallback =
    mptcp.fallback === null
      ? ""
      : `, ${style.doubt(`fell back to TCP (${mptcp.fallback.cause}) at ${mptcp.fallback.at}`)}`;
  return `${version}, ${tokens}, ${evidence}${fallback}`;
}

/** What was verified, what failed, and what could not be told, by the name of the check. */
function checks({ mptcp }: SessionRecord, style: Style): string[] {
  const { verdicts } = mptcp;
  if (verdicts === undefined) return [];
  const all: [string, CheckRecord | null][] = [
    ["version", verdicts.version],
    ["key echo", verdicts.key_echo],
    ...SIDES.map((side): [string, CheckRecord | null] => [`token of the ${side}`, verdicts.token[side]]),
    ...SIDES.map((side): [string, CheckRecord | null] => [`IDSN of the ${side}`, verdicts.idsn[side]]),
    ...SIDES.map((side): [string, CheckRecord | null] => [`MP_FASTCLOSE of the ${side}`, verdicts.fastclose[side]]),
  ];
  const said = all.flatMap(([name, finding]) => (finding === null ? [] : [`${name} ${findingWord(finding, style)}`]));
  return said.length === 0 ? [] : [`  ${said.join(", ")}`];
}

function findingWord({ verdict, unverifiable_reason }: CheckRecord, style: Style): string {
  return verdictWord(verdict, style) + (unverifiable_reason === undefined ? "" : ` (${unverifiable_reason})`);
}

function stream(record: StreamRecord, style: Style): string {
  const parts = [counted(record.octets, "octet")];
  const [hole] = record.missing;
  if (record.complete) parts.push(style.good("complete"));
  if (record.missing_octets > 0) {
    const from = hole === undefined ? "" : `, the first hole at ${grouped(hole.offset)}`;
    const cut = record.cut_octets === undefined ? "" : ` (${grouped(record.cut_octets)} cut off their copies)`;
    parts.push(style.doubt(`${counted(record.missing_octets, "octet")} missing${cut}${from}`));
  } else if (!record.complete) parts.push(style.quiet("its end was not seen"));
  if (record.conflicting !== null && record.conflicting > 0) {
    parts.push(style.bad(`${counted(record.conflicting, "octet")} came again and differed`));
  }
  if (record.unseen_octets !== null && record.unseen_octets > 0) {
    parts.push(style.doubt(`${counted(record.unseen_octets, "octet")} acknowledged that no agent saw`));
  }
  if (record.checksum) parts.push(checksumWords(record.checksum, style));
  if (record.sha256 !== undefined) parts.push(`SHA-256 ${record.sha256}`);
  if (record.sha256_unavailable !== undefined) parts.push(style.doubt(`no SHA-256: ${record.sha256_unavailable}`));
  return parts.join(", ");
}

function checksumWords(sums: NonNullable<StreamRecord["checksum"]>, style: Style): string {
  const { verified, failed, old_byte_order: swapped, unverifiable } = sums;
  const parts = [`${grouped(verified)} verified`];
  if (failed > 0) parts.push(style.bad(`${grouped(failed)} failed`));
  if (swapped > 0) parts.push(`${grouped(swapped)} in the old byte order`);
  if (unverifiable > 0) parts.push(style.doubt(`${grouped(unverifiable)} unverifiable`));
  return `DSS checksums: ${parts.join(" + ")}`;
}

function optionsWords({ malformed, unknown }: NonNullable<SessionRecord["mptcp"]["options"]>, style: Style): string {
  const parts = unknown.map(({ subtype, segments }) => `subtype ${subtype} in ${counted(segments, "segment")}`);
  if (malformed > 0) parts.unshift(style.doubt(`${grouped(malformed)} malformed`));
  return `options that say nothing to an observer: ${parts.join(", ")}`;
}

function rewrittenWords({ kind, subflow, side, between, packets, first }: RewrittenRecord, style: Style): string {
  const where = between.map(printable).join(" and ");
  const octets = first.before === null || first.after === null ? "" : `: ${first.before} became ${first.after}`;
  return style.doubt(
    `rewritten between ${where}: ${kind} of ${counted(packets, "packet")} of the ${side} on subflow ${subflow}, first ${first.at}${octets}`,
  );
}

function subflowLines(subflow: SubflowRecord, style: Style): string[] {
  const { source, destination, join } = subflow;
  const parts = [
    `${hostPort(source)} → ${hostPort(destination)}`,
    `${humanOctets(source.bytes)} out, ${humanOctets(destination.bytes)} back`,
    subflow.close.reason + (subflow.close.mp_tcprst === undefined ? "" : ` (${subflow.close.mp_tcprst.reason})`),
  ];
  if (subflow.opener === "responder") parts.push("opened by the responder");
  if (subflow.backup) parts.push("backup");
  if (subflow.agents.length > 0) parts.push(`seen by ${subflow.agents.map(printable).join(", ")}`);
  const lines = [`  subflow ${subflow.id} ${subflow.kind.padEnd(7)} ${parts.join(", ")}`];
  if (join !== null) {
    const why = join.unverifiable_reason === undefined ? "" : ` (${join.unverifiable_reason})`;
    const words = SIDES.map((side) => `${side} ${verdictWord(join.hmac[side], style)}`);
    lines.push(`    join HMAC: ${words.join(", ")}${why}`);
  }
  for (const one of subflow.translated ?? []) {
    const ends = `${hostPort(one.source)} → ${hostPort(one.destination)}`;
    lines.push(`    behind a translator: ${ends}, seen by ${one.agents.map(printable).join(", ")}`);
  }
  return lines;
}

function announced(address: AddressRecord, style: Style): string {
  const ip = address.ip ?? "an address that was not seen announced";
  const port = address.port === null ? "" : `, port ${address.port}`;
  const removed = address.removed_at === null ? "" : `, removed ${address.removed_at}`;
  const hmac = address.hmac ? `, HMAC ${findingWord(address.hmac, style)}` : "";
  return `address ${address.address_id} of the ${address.side}: ${ip}${port}${removed}${hmac}`;
}
