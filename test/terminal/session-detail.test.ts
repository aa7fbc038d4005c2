import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, it, test } from "vitest";
import { sessionDetail } from "../../collectors/terminal/session-detail.ts";
import { COLOURS, PLAIN, verdictWord } from "../../collectors/terminal/style.ts";
import { printable } from "../../collectors/terminal/text.ts";
import type { SessionRecord } from "../../schema/session-record.ts";
import { anySessionRecord } from "../schema/arbitrary-record.ts";

const example = (name: string) =>
  JSON.parse(readFileSync(new URL(`../../schema/examples/${name}.json`, import.meta.url), "utf8"));
const detail = (record: SessionRecord, width: number | null = 80) =>
  `\n${sessionDetail(record, PLAIN, width).join("\n")}\n`;

it("tells a session of two subflows and a hole", () => {
  expect(detail(example("session-ended"))).toBe(`
session q3mZ0aX9cT1kVb7e  10.10.1.2:41539 → 10.20.1.2:5001
  2026-11-22T20:08:12.934986Z, 1.946 s
  ended by fin of both sides (both sides sent DATA_FIN)
  MPTCP version 1, tokens 0x87d83e52 and 0xd94a079d, handshake seen
  unverifiable: IDSN of the responder (segment-not-seen)
  verified: version, key echo, token of the responder, IDSN of the initiator
  initiator sent 3,145,819 octets, complete
    SHA-256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
  responder sent 3,144,408 octets, 1,320 octets missing, the first hole at
    1,048,576
    SHA-256 of the first 1,048,576 octets
      60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752
  subflow 0 initial 10.10.1.2:41539 → 10.20.1.2:5001, fin, seen by router1
    20:08:12.934 to 20:08:14.881 (1.947 s), 1.70 MB out, 1.61 MB back
  subflow 1 joined  10.10.2.2:52443 → 10.20.1.2:5001, fin, seen by router1,
    router2
    20:08:12.987 to 20:08:14.880 (1.893 s), 1.70 MB out, 1.61 MB back
    join HMAC: initiator verified, responder verified
    besides: 2 keep-alives
  SUB SIDE      PAYLOAD SHARE SENT AGAIN REORDERED REINJECTED     ROUND TRIP
    0 initiator 1.57 MB  50 %          1         0        0 B   9.80/11.2 ms
      responder 1.57 MB  50 %          0         3        0 B   0.31/0.40 ms
    1 initiator 1.57 MB  50 %          0        12    1.45 kB   20.1/24.0 ms
      responder 1.57 MB  50 %          0         0        0 B   0.29/0.38 ms
  address 2 of the responder: 10.20.2.2, HMAC verified
`);
});

it("breaks no line where there is no terminal", () => {
  expect(sessionDetail(example("session-ended"), PLAIN, null)).toContain(
    "  responder sent 3,144,408 octets, 1,320 octets missing, the first hole at 1,048,576",
  );
});

it("tells why a verdict could not be had and what was left out", () => {
  const text = detail(example("session-orphan"), null);
  expect(text).toContain("join HMAC: initiator unverifiable, responder unverifiable (no-handshake)");
  expect(text).toContain("tokens ? and 0xd94a079d, orphan");
  expect(text).toContain("ended by end-of-input (the input ended)");
  expect(text).toContain("no SHA-256: first-octet-unknown");
  expect(text).toContain("left out: 4 ranges beyond the bound");
});

it("tells which record of an open session it is", () => {
  expect(detail(example("session-opened"))).toContain("open (opened)");
});

it("tells what is rare", () => {
  const record = example("session-ended");
  record.mptcp.fallback = { cause: "mp-fail", at: "2026-11-22T20:08:13Z", subflow: 0 };
  record.mptcp.stream.initiator.conflicting = 7;
  record.mptcp.stream.initiator.conflicts = [
    {
      ...{ offset: 5, length: 7 },
      first: { subflow: 0, agent: "a\u001b", octets: "61" },
      second: { subflow: 1, agent: "b", octets: "62" },
    },
  ];
  record.mptcp.stream.responder.cut_octets = 1000;
  record.mptcp.stream.responder.window_probes = 3;
  Object.assign(record.mptcp.subflows[1], { opener: "responder", backup: true });
  Object.assign(record.mptcp.addresses[0], { port: 5002, removed_at: "2026-11-22T20:08:14Z" });
  const mp_tcprst = { side: "responder", reason: "lack-of-resources", code: 2, transient: true };
  record.mptcp.subflows[0].close = { reason: "reset", mp_tcprst };
  const text = detail(record, null);
  expect(text).toContain("fell back to TCP (mp-fail) at 2026-11-22T20:08:13Z");
  expect(text).toContain("7 octets came again and differed");
  expect(text).toContain("3 probes of a closed window");
  expect(text).toContain("\n    differs at octet 5 of the stream: 61 on subflow 0 (a·), later 62 on subflow 1 (b)\n");
  expect(text).toContain("1,320 octets missing (1,000 cut off their copies), the first hole at 1,048,576");
  expect(text).toContain("fin, opened by the responder, backup, seen by router1, router2");
  expect(text).toContain("reset by the responder (lack-of-resources), seen by router1");
  expect(text).toContain("10.20.2.2, port 5002, removed 2026-11-22T20:08:14Z");
});

it("tells what was found, changed on the way and translated", () => {
  const record = example("session-ended");
  const { initiator } = record.mptcp.stream;
  initiator.checksum = { verified: 1200, failed: 1, old_byte_order: 0, unverifiable: 2, failures: [] };
  Object.assign(initiator, { unseen_octets: 4000, unseen_share: 0.01 });
  record.mptcp.options = { malformed: 3, unknown: [{ subtype: 12, segments: 4 }] };
  const first = { at: "2026-11-22T20:08:13Z", ssn: 17, before: "00", after: "ff" };
  record.mptcp.rewritten = [
    { kind: "payload", subflow: 1, side: "responder", between: ["router2", "router1"], packets: 3, first },
  ];
  const [source, destination] = [
    { ip: "10.20.2.1", port: 17160 },
    { ip: "10.20.1.2", port: 5001 },
  ];
  record.mptcp.subflows[1].translated = [{ source, destination, community_id: "1:x", agents: ["router2"] }];
  const text = detail(record, null);
  for (const said of [
    "complete, 4,000 octets acknowledged of which no copy came, DSS checksums: 1,200 verified + 1 failed + 2 unverifiable",
    "    behind a translator: 10.20.2.1:17160 → 10.20.1.2:5001, seen by router2",
    "options that say nothing to an observer: 3 malformed, subtype 12 in 4 segments",
    "between router2 and router1: payload of 3 packets of the responder on subflow 1, first 2026-11-22T20:08:13Z: 00 became ff",
    "  ! checksum-failed: the DSS checksum of 1 mapping of the initiator is wrong",
    "  ! payload-rewritten: the payload of 3 packets",
  ]) {
    expect(text).toContain(said);
  }
});

it("tells of a subflow what most have none of", () => {
  const record = example("session-ended");
  const [, joined] = record.mptcp.subflows;
  Object.assign(joined.data.initiator, { unmapped_octets: 1448, refused_octets: 15 });
  Object.assign(joined, { keep_alives: 1, contradicting_mappings: 2, implausible_segments: 1 });
  Object.assign(record.mptcp.stream.initiator, { acknowledged: 4000, unseen_octets: 2000 });
  expect(detail(record, null)).toContain(
    "    besides: 1,448 octets of the initiator without a mapping, 15 octets of the initiator in no stream, " +
      "1 keep-alive, 2 mappings against an earlier one, 1 segment that no host takes\n",
  );
  expect(detail(record, null)).toContain("complete, 2,000 octets acknowledged of which no copy came\n");
  delete joined.data.initiator.refused_octets;
  expect(detail(record, null)).toContain(
    "complete, 552 octets acknowledged of which no copy came, 1,448 octets acknowledged and seen without a mapping\n",
  );
});

it("has no table of figures where a record has none", () => {
  expect(detail(example("session-orphan"))).not.toContain("ROUND TRIP");
});

it("colours take no column", () => {
  const plain = sessionDetail(example("session-ended"), PLAIN, 80);
  const coloured = sessionDetail(example("session-ended"), COLOURS, 80);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it is what is looked for
  expect(coloured.map((line) => line.replace(/\u001b\[\d+m/g, ""))).toEqual(plain);
  expect(coloured).not.toEqual(plain);
});

it("colours a verdict by what it means", () => {
  expect((["verified", "failed", "unverifiable"] as const).map((verdict) => verdictWord(verdict, COLOURS))).toEqual([
    "\u001b[32mverified\u001b[39m",
    "\u001b[31mfailed\u001b[39m",
    "\u001b[33munverifiable\u001b[39m",
  ]);
});

test("whatever a record holds, a terminal obeys nothing in it", () => {
  fc.assert(
    fc.property(anySessionRecord, (record) => {
      for (const line of sessionDetail(record, PLAIN, 80)) expect(printable(line)).toBe(line);
    }),
  );
});
