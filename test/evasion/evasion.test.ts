import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { read } from "../../collectors/offline/reading.ts";
import { findingRecord } from "../../schema/finding-record.ts";
import { streams } from "../offline/files.ts";

const CAPTURES = fileURLToPath(new URL("captures/", import.meta.url));
/** What the receiver's program read, by capture. */
const READ = JSON.parse(readFileSync(join(CAPTURES, "read.json"), "utf8")) as Readonly<Record<string, string>>;

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "rejoin-evasion-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** What the initiator sent by a capture, as rejoin puts it together, and what it finds. */
async function seen(name: string): Promise<{ stream: string; findings: string[] }> {
  const { texts, ...io } = streams();
  const path = join(CAPTURES, `${name}.pcap.gz`);
  expect(await read([path], { json: true, findings: true, streams: folder }, io)).toBe(0);
  const records = texts.out
    .trimEnd()
    .split("\n")
    .map((line) => findingRecord.safeParse(JSON.parse(line)));
  const [file] = readdirSync(folder).filter((one) => one.endsWith(".initiator"));
  return {
    stream: readFileSync(join(folder, file ?? ""), "latin1"),
    findings: records.flatMap(({ data }) => (data === undefined ? [] : data.event.action)),
  };
}

/**
 * A sender that wants who watches to see another stream than its receiver: each capture is of one against a Linux 6.18
 * kernel, as an agent beside the receiver saw it.
 */
describe("a sender that hides from who watches", () => {
  it.each<[capture: string, stream: "as read" | "other", findings: readonly string[]]>([
    ["ordinary", "as read", []],
    ["two-dss", "as read", ["option-repeated"]],
    ["two-dss-with-checksums", "as read", ["option-repeated"]],
    ["two-joins", "other", ["octets-differ", "option-repeated"]],
    ["misplaced-mappings", "other", ["mapping-ambiguous"]],
    ["past-its-mapping", "other", ["mapping-ambiguous"]],
    ["unagreed-checksum", "other", ["mapping-ambiguous"]],
    ["contradicting-mapping", "other", ["mapping-ambiguous"]],
    ["longer-out-of-order", "other", ["mapping-ambiguous"]],
    ["fallen-back-late", "other", ["mapping-ambiguous", "late-fallback"]],
    ["again-without-mapping", "other", ["repeats-not-compared"]],
    ["keep-alives-of-an-octet", "other", ["repeats-not-compared"]],
    ["fragment-twice", "as read", []],
    ["broken-reset", "as read", ["segments-implausible"]],
  ])("%s: the stream is %s, and what is found %j", async (capture, stream, findings) => {
    const told = await seen(capture);
    expect([told.stream === READ[capture] ? "as read" : "other", told.findings]).toEqual([stream, findings]);
  });
});
