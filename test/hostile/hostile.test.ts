import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type SessionRecord, sessionRecord } from "../../schema/session-record.ts";
import { needs, titled } from "../support/requirements.ts";
import { CASES, filesOf, type HostileCase } from "./cases.ts";
import { writeCases } from "./write.ts";

const REJOIN = fileURLToPath(new URL("../../dist/bin/rejoin.js", import.meta.url));

/** What the record of each case must say; in the order of CASES. */
const TOLD: Readonly<Record<string, (records: readonly SessionRecord[]) => void>> = {
  "join-hmac-wrong-v0": ([record]) => stranger(record),
  "join-hmac-wrong-v1": ([record]) => stranger(record),
  "join-answer-hmac-wrong": ([record]) => {
    expect(record?.mptcp.subflows[1]?.join?.hmac.responder).toBe("failed");
    whole(record);
  },
  "join-unanswered-data": ([record]) => {
    expect(record?.mptcp.subflows[1]?.join?.hmac).toEqual({ initiator: "unverifiable", responder: "unverifiable" });
    whole(record);
  },
  "token-guess": (records) => {
    const orphans = records.filter(({ mptcp }) => mptcp.session.evidence === "orphan");
    whole(records.find(({ mptcp }) => mptcp.session.evidence === "handshake"));
    expect(records).toHaveLength(201);
    expect(orphans).toHaveLength(200);
    for (const { mptcp } of orphans) {
      expect(mptcp).toMatchObject({
        session: { evidence: "orphan" },
        subflows: [{ close: { reason: "reset" }, join: { unverifiable_reason: "no-handshake" } }],
      });
    }
  },
  "one-token-two-servers": (records) => {
    expect(records.map(({ mptcp }) => mptcp.token.responder)).toEqual(["0xc4f2f3bd", "0xc4f2f3bd"]);
    expect(records.map(({ destination }) => destination.ip)).toEqual(["10.2.0.1", "10.2.0.2"]);
    for (const { mptcp } of records) {
      expect(mptcp.subflows.map(({ join }) => join?.hmac)).toEqual([
        undefined,
        { initiator: "verified", responder: "verified" },
      ]);
      expect(mptcp.stream.responder).toMatchObject({ octets: 13, complete: true });
    }
  },
  "key-echo-wrong": ([record]) => {
    expect(record?.mptcp.verdicts?.key_echo).toEqual({ verdict: "failed" });
    whole(record, 19, 19);
  },
  "checksum-wrong": ([record]) => {
    expect(record?.mptcp.stream.initiator.checksum).toEqual({
      ...{ verified: 1, failed: 1, old_byte_order: 0, unverifiable: 0 },
      failures: [{ subflow: 1, offset: 16, length: 16 }],
    });
    expect(record?.mptcp.stream.responder.checksum).toMatchObject({ verified: 1, failed: 0 });
    expect(record?.mptcp.subflows[1]?.close.reason).toBe("reset");
    whole(record, 32, 4);
  },
  "checksum-old-byte-order": ([record]) => {
    for (const side of ["initiator", "responder"] as const) {
      expect(record?.mptcp.stream[side].checksum).toMatchObject({ verified: 0, failed: 0, old_byte_order: 1 });
    }
    whole(record, 16, 4);
  },
  "fastclose-wrong-key": ([record]) => {
    expect(record?.mptcp.verdicts?.fastclose.initiator).toEqual({ verdict: "failed" });
    expect(record?.mptcp.close).toEqual({ reason: "fin", by: "both" });
    whole(record);
  },
  "infinite-mapping-without-fail": ([record]) => {
    expect(record?.mptcp.fallback).toMatchObject({ cause: "infinite-mapping", subflow: 0 });
    whole(record, 39, 27);
  },
  "option-stripped": ([record]) => rewritten(record, "option-stripped", [5, 4], null),
  "payload-rewritten": ([record]) => rewritten(record, "payload", [2, 2], "58585858"),
  "dscp-rewritten": ([record]) => rewritten(record, "dscp", [7, 5], "b8"),
  "add-addr-hmac-wrong": ([record]) => {
    expect(record?.mptcp.addresses).toMatchObject([
      { side: "responder", address_id: 6, ip: "10.66.6.6", port: 443, hmac: { verdict: "failed" } },
    ]);
    whole(record);
  },
  "options-malformed": ([record]) => {
    expect(record?.mptcp.options).toMatchObject({ unknown: [{ subtype: 15, segments: 1 }] });
    // A length of 1, and two that run past the header; the others are of legal lengths.
    expect(record?.mptcp.options?.malformed).toBe(3);
    expect(record?.mptcp.checksum_required).toBe(false);
    whole(record);
  },
  "two-texts-one-dsn": ([record]) => {
    // `10 to alice.` and `9k to malice` differ in 8 of their 12 octets; both subflows are the client's own.
    expect(record?.mptcp.stream.initiator).toMatchObject({
      ...{ octets: 35, conflicting: 8 },
      conflicts: [
        {
          ...{ offset: 4, length: 12 },
          first: { subflow: 0, octets: Buffer.from("10 to alice.").toString("hex") },
          second: { subflow: 1, octets: Buffer.from("9k to malice").toString("hex") },
        },
      ],
    });
    whole(record, 35, 19);
  },
  "reset-forged": ([record]) => {
    expect(record?.mptcp.close).toEqual({ reason: "fin", by: "both" });
    expect(record?.mptcp.subflows[0]?.close).toMatchObject({ reason: "fin" });
    whole(record);
  },
};

/** Everything that was said in the session is there, and nothing else. */
function whole(record: SessionRecord | undefined, initiator = 37, responder = 38): void {
  expect(record?.mptcp.session.evidence).toBe("handshake");
  expect(record?.mptcp.stream).toMatchObject({
    initiator: { octets: initiator, complete: true },
    responder: { octets: responder, complete: true },
  });
}

/** A stranger's third ACK failed, and none of his octets is in the stream. */
function stranger(record: SessionRecord | undefined): void {
  expect(record?.mptcp.subflows[1]).toMatchObject({
    source: { ip: "10.66.6.6" },
    join: { hmac: { initiator: "failed", responder: "verified" } },
  });
  whole(record);
}

/** So many packets of each side were changed between the two agents; the first copy counts. */
function rewritten(record: SessionRecord | undefined, kind: string, packets: readonly number[], after: string | null) {
  const between = [expect.stringMatching(/agent1$/), expect.stringMatching(/agent2$/)];
  expect(record?.mptcp.rewritten).toMatchObject([
    { kind, subflow: 0, side: "initiator", between, packets: packets[0], first: { after } },
    { kind, subflow: 0, side: "responder", between, packets: packets[1], first: { after } },
  ]);
  expect(record?.mptcp.fallback).toBeNull();
  whole(record);
}

const folder = mkdtempSync(join(tmpdir(), "rejoin-hostile-"));
beforeAll(() => writeCases(folder));
afterAll(() => rmSync(folder, { recursive: true }));

const pathsOf = (hostile: HostileCase): string[] =>
  filesOf(hostile, hostile.agents().length).map((file) => join(folder, file));

const unbuilt = existsSync(REJOIN) ? undefined : "needs the build in dist";

describe.skipIf(unbuilt)(titled("hostile captures: the record names the fault", unbuilt), () => {
  it.each(CASES)("$name: $about", (hostile) => {
    const { status, stdout } = spawnSync(
      process.execPath,
      [REJOIN, "read", "--json", "--partial", ...pathsOf(hostile)],
      {
        encoding: "utf8",
      },
    );
    expect(status).toBe(0);
    const records = stdout
      .trim()
      .split("\n")
      .map((line) => sessionRecord.parse(JSON.parse(line)));
    expect(Object.keys(TOLD)).toContain(hostile.name);
    TOLD[hostile.name]?.(records);
  });
});

const TSHARK_OPTIONS = [
  "tcp.check_checksum:TRUE",
  "ip.check_checksum:TRUE",
  "mptcp.analyze_mptcp:TRUE",
  "mptcp.analyze_mappings:TRUE",
  "mptcp.intersubflows_retransmission:TRUE",
].flatMap((option) => ["-o", option]);

/** What tshark says of MPTCP where it says anything; `No mapping available` it says of every session. */
const SEEN_BY_TSHARK: Readonly<Record<string, string>> = {
  "key-echo-wrong": "The echoed key in the ACK of the MPTCP handshake does not match the key of the SYN/ACK",
  "infinite-mapping-without-fail": "Fallback to infinite mapping",
  "options-malformed": "Unsupported algorithm",
};

const reason = needs("tshark");

describe.skipIf(reason)(titled("what tshark says of them", reason), () => {
  it.each(CASES)("$name", (hostile) => {
    const told = pathsOf(hostile).map((path) => {
      const { status, stdout } = spawnSync(
        "tshark",
        [...TSHARK_OPTIONS, "-r", path, "-T", "fields", "-e", "_ws.expert.message"],
        {
          encoding: "utf8",
        },
      );
      expect(status).toBe(0);
      expect(stdout).not.toMatch(/bad checksum|incorrect/i);
      return stdout;
    });
    const words = /HMAC|token|checksum|key in|mapping available|infinite|reinject|algorithm|IDSN/i;
    const messages = told
      .flatMap((text) => text.split(/[\n,]/))
      .filter((message) => words.test(message) && message !== "No mapping available");
    expect([...new Set(messages)].join()).toBe(SEEN_BY_TSHARK[hostile.name] ?? "");
  });
});
