import type {
  AddressRecord,
  CheckRecord,
  RewrittenRecord,
  SessionRecord,
  StreamRecord,
} from "../../schema/session-record.ts";
import { SIDES } from "../../schema/session-vocabulary.ts";
import { acknowledgedUnseen } from "../../src/findings/acknowledged-unseen.ts";
import { conflictWords } from "../../src/findings/octets-differ.ts";
import { findingsIn } from "../../src/findings/rules.ts";
import { findingText } from "./finding-line.ts";
import { STREAM_END_WORDS, streamEnd } from "./stream-end.ts";
import { type Style, verdictWord } from "./style.ts";
import { figuresTable, subflowLines } from "./subflow-detail.ts";
import { counted, grouped, hostPort, printable, wrapped } from "./text.ts";

/**
 * One session told in full, lines without line ends of at most `width` columns (null: as long as they are): ends, streams,
 * subflows with their verdicts and figures, addresses, findings.
 */
export function sessionDetail(record: SessionRecord, style: Style, width: number | null): string[] {
  const { event, mptcp, rejoin } = record;
  const lines = [
    `${style.strong(`session ${mptcp.session.id}`)}  ${hostPort(record.source)} → ${hostPort(record.destination)}`,
    `  ${event.start}, ${seconds(event.duration)}`,
    `  ${fate(record, style)}`,
    `  ${protocol(record, style)}`,
    ...checks(record, style),
    ...SIDES.flatMap((side) => streamLines(record, side, style)),
    ...mptcp.subflows.flatMap((subflow) => subflowLines(record, subflow, style)),
    ...figuresTable(record, style),
    ...mptcp.addresses.map((address) => `  ${announced(address, style)}`),
    ...(mptcp.options === undefined ? [] : [`  ${optionsWords(mptcp.options, style)}`]),
    ...(mptcp.rewritten ?? []).map((one) => `  ${rewrittenWords(one, style)}`),
  ];
  for (const [reason, count] of Object.entries(rejoin?.shed ?? {})) {
    lines.push(`  ${style.doubt(`left out: ${grouped(count)} ${reason} beyond the bound`)}`);
  }
  for (const { kind, message } of findingsIn(record)) lines.push(findingText(kind, message, style, null));
  // The escapes of `style` are ours; everything else went through printable or has a closed form in the schema.
  return lines.flatMap((line) => wrapped(line, width, line.search(/\S/) + 2));
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

/** What failed, what could not be told, and what was verified, by the name of the check. */
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
  return (["failed", "unverifiable", "verified"] as const).flatMap((verdict) => {
    const names = all.flatMap(([name, check]) => (check?.verdict === verdict ? [name + reasonOf(check)] : []));
    return names.length === 0 ? [] : [`  ${verdictWord(verdict, style)}: ${names.join(", ")}`];
  });
}

function reasonOf({ unverifiable_reason }: CheckRecord): string {
  return unverifiable_reason === undefined ? "" : ` (${unverifiable_reason})`;
}

function streamLines(session: SessionRecord, side: (typeof SIDES)[number], style: Style): string[] {
  const record = session.mptcp.stream[side];
  const parts = [counted(record.octets, "octet")];
  const [hole] = record.missing;
  const end = streamEnd(session, side);
  if (end === null) parts.push(style.good("complete"));
  if (record.missing_octets > 0) {
    const from = hole === undefined ? "" : `, the first hole at ${grouped(hole.offset)}`;
    const cut = record.cut_octets === undefined ? "" : ` (${grouped(record.cut_octets)} cut off their copies)`;
    parts.push(style.doubt(`${counted(record.missing_octets, "octet")} missing${cut}${from}`));
  } else if (end !== null) parts.push(style.quiet(STREAM_END_WORDS[end]));
  if (record.conflicting !== null && record.conflicting > 0) {
    parts.push(style.bad(`${counted(record.conflicting, "octet")} came again and differed`));
  }
  const { window_probes = 0 } = record;
  if (window_probes > 0) parts.push(style.quiet(`${counted(window_probes, "probe")} of a closed window`));
  const { uncopied, unmapped } = acknowledgedUnseen(session.mptcp, side);
  if (uncopied > 0) parts.push(style.doubt(`${counted(uncopied, "octet")} acknowledged of which no copy came`));
  const known = record.acknowledged === null ? "" : "acknowledged and ";
  if (unmapped > 0) parts.push(style.doubt(`${counted(unmapped, "octet")} ${known}seen without a mapping`));
  if (record.checksum) parts.push(checksumWords(record.checksum, style));
  const lines = [`  ${side} sent ${parts.join(", ")}`];
  for (const conflict of record.conflicts) lines.push(style.bad(printable(`    differs ${conflictWords(conflict)}`)));
  if (record.sha256 !== undefined) {
    const part = record.contiguous < record.octets ? `of the first ${counted(record.contiguous, "octet")} ` : "";
    lines.push(`    SHA-256 ${part}${record.sha256}`);
  }
  if (record.sha256_unavailable !== undefined)
    lines.push(`    ${style.doubt(`no SHA-256: ${record.sha256_unavailable}`)}`);
  return lines;
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

function announced(address: AddressRecord, style: Style): string {
  const ip = address.ip ?? "an address that was not seen announced";
  const port = address.port === null ? "" : `, port ${address.port}`;
  const removed = address.removed_at === null ? "" : `, removed ${address.removed_at}`;
  const hmac = address.hmac ? `, HMAC ${verdictWord(address.hmac.verdict, style)}${reasonOf(address.hmac)}` : "";
  return `address ${address.address_id} of the ${address.side}: ${ip}${port}${removed}${hmac}`;
}
