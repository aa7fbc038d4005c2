import { relative } from "node:path";
import type { SessionRecord } from "../../schema/session-record.ts";
import type { Style } from "../terminal/style.ts";
import { counted, fill, grouped } from "../terminal/text.ts";
import { captureFiles, type DemoResult, type Outcome, ROUTERS } from "./demo.ts";
import { isOf } from "./endpoints.ts";
import { sessionsOf } from "./one-place.ts";

/** Digits of a SHA-256 that are shown. */
const DIGITS = 16;

/** What was rebuilt beside what the hosts had hashed: a line for each session. */
export function verdictLines(outcomes: readonly Outcome[], style: Style): string[] {
  const lines = [
    "",
    style.strong("Rebuilt from copies, beside what the hosts themselves counted and hashed"),
    ...outcomes.map(({ view, record, faults }) => {
      const id = record?.mptcp.session.id.slice(0, 8) ?? "????????";
      const hashed = [view.stream.initiator, view.stream.responder].filter((stream) => stream !== null).length;
      const same = `${counted(view.subflows, "subflow")} and ${counted(hashed, "SHA-256 digest")} equal`;
      const word = faults.length === 0 ? style.good(same) : style.bad(faults.join("; "));
      return `  ${id}  ${fill(view.title, 38, "left")} ${word}`;
    }),
  ];
  return lines;
}

/**
 * One stream as its sender hashed it, as the collector rebuilt it, and as each router alone would have shown it. Reads
 * the captures once more for the last. Rejects with an OperationalError when one cannot be read.
 */
export async function comparisonLines({ view, record }: Outcome, folder: string, style: Style): Promise<string[]> {
  const sent = view.stream.initiator;
  if (record === null || sent === null) return [];
  const lines = [
    "",
    style.strong(`What the initiator of ${record.mptcp.session.id.slice(0, 8)} sent: ${counted(sent.octets, "octet")}`),
    row("its sender", sent.octets, sent.sha256, "counted and hashed", (text) => text),
  ];
  const { octets, sha256 = "", complete } = record.mptcp.stream.initiator;
  const equal = complete && sha256 === sent.sha256;
  lines.push(row("both routers", octets, sha256, equal ? "equal, whole" : "not equal", equal ? style.good : style.bad));
  for (const [i, file] of captureFiles(folder).entries()) {
    const alone = (await sessionsOf([file])).find((one) => isOf(view, one)) ?? null;
    lines.push(aloneRow(`${ROUTERS[i]} alone`, alone, style));
  }
  return lines;
}

function aloneRow(who: string, record: SessionRecord | null, style: Style): string {
  if (record === null) return row(who, 0, "", "joins of a session it does not know", style.doubt);
  const { octets, contiguous, sha256 = "", complete } = record.mptcp.stream.initiator;
  const what = complete ? "whole" : `first hole at ${grouped(contiguous)}`;
  return row(who, octets, sha256, what, style.doubt);
}

function row(who: string, octets: number, sha256: string, what: string, paint: (text: string) => string): string {
  const digest = sha256 === "" ? "-" : `${sha256.slice(0, DIGITS)}…`;
  return `  ${fill(who, 14, "left")} ${fill(grouped(octets), 9, "right")}  ${fill(digest, DIGITS + 1, "left")}  ${paint(what)}`;
}

/** Where every packet went: a line for each agent. */
export function accountLines({ agents, report }: DemoResult, style: Style): string[] {
  return [
    "",
    style.strong("Every packet accounted for"),
    ...agents.map(({ seen, sent }, i) => {
      const ledger = report.agents.find(({ name }) => name === ROUTERS[i]);
      const lost = ledger?.lost ?? sent;
      const text = `${grouped(lost)} lost`;
      return (
        `  ${ROUTERS[i]}  ${grouped(seen)} packets read, ${grouped(sent)} copies and reports sent, ` +
        `${grouped(ledger?.packets ?? 0)} received, ${lost === 0 ? text : style.bad(text)}`
      );
    }),
  ];
}

/** Commands that work from here. `program` is the command line's main file. */
export function nextLines(program: string, folder: string, style: Style): string[] {
  const from = (path: string) => relative(process.cwd(), path) || ".";
  const rejoin = `node ${from(program)}`;
  const captures = `${from(folder)}/*.pcap.gz`;
  return [
    "",
    style.strong("What to try next"),
    "  the same out of the files, as a table:",
    `    ${rejoin} read ${captures}`,
    "  every session in full, with the digests:",
    `    ${rejoin} read --json --digest ${captures} | ${rejoin} consume --detail -`,
    "  one router alone, which saw joins of sessions it knows nothing of:",
    `    ${rejoin} read --partial ${from(folder)}/router2.pcap.gz`,
    "  what each side sent, in order, into the folder streams:",
    `    ${rejoin} read --streams streams ${captures}`,
    "  a collector of your own, and in a second terminal an agent that feeds it:",
    `    ${rejoin} collect --listen-udp 127.0.0.1:4754 --sink stdout`,
    `    ${rejoin} agent --collector 127.0.0.1 --replay ${captures}`,
    "  the same into Kafka, with a broker to try it: README.md, Kafka",
  ];
}
