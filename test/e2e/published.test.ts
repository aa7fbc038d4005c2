import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { decode } from "../../schema/encoding.ts";
import { type FindingRecord, findingRecord } from "../../schema/finding-record.ts";
import { sessionRecord } from "../../schema/session-record.ts";
import { streamChunk } from "../../schema/stream-chunk.ts";
import { TOPICS } from "../../schema/topics.ts";
import { writeCases } from "../hostile/write.ts";
import { capturePath, copiesOf } from "../support/copies.ts";
import { kafkaMissing, TestKafka } from "../support/kafka.ts";
import { titled } from "../support/requirements.ts";
import { Collect, REJOIN, send } from "./collect.ts";

const missing = await kafkaMissing();
const run = promisify(execFile);
/** A command of the built program, to its end. */
const rejoin = async (...args: string[]): Promise<string> =>
  (await run(process.execPath, [REJOIN, ...args], { maxBuffer: 2 ** 26 })).stdout;

describe.skipIf(missing)(titled("what a collector publishes beside sessions", missing), () => {
  let kafka: TestKafka;
  let directory: string;
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "rejoin-published-"));
    writeCases(directory);
    kafka = await TestKafka.start();
    await kafka.createTopic(TOPICS.sessions, 3);
    await kafka.createTopic(TOPICS.agents, 1);
  });
  afterAll(async () => {
    await kafka?.wipe();
    rmSync(directory, { recursive: true });
  });

  const hostile = (name: string): string => join(directory, `${name}.pcap`);
  const collectTo = (...args: string[]) => new Collect("--sink", "kafka", "--brokers", kafka.address, ...args);
  /** What a collector of this name published to a topic. */
  const consume = async (topic: string, name: string): Promise<unknown[]> => {
    const options = ["--topic", topic, "--brokers", kafka.address, "--json", "--until-idle", "1000"];
    const lines = (await rejoin("consume", ...options)).split("\n");
    const records = lines.filter((line) => line !== "").map((line) => JSON.parse(line));
    return records.filter(({ observer }) => observer.name === name);
  };
  const summary = ({ event, mptcp }: FindingRecord) => [event.action, mptcp.subflow, mptcp.side];
  /** Topics that the first tests must not find: made when a test wants them. */
  const late = new Set<string>();
  const have = async (topic: string): Promise<void> => {
    if (!late.has(topic)) await kafka.createTopic(topic, 3);
    late.add(topic);
  };

  test("without the topic of findings: told once, counted, and sessions flow", async () => {
    const collect = collectTo();
    const port = await collect.port();
    await rejoin("agent", "--replay", hostile("two-texts-one-dsn"), "--collector", `127.0.0.1:${port}`);
    collect.kill("SIGTERM");
    expect(await collect.ended()).toBe(0);
    expect(collect.errors.match(/has no topic rejoin\.findings\.v1/g)).toHaveLength(1);
    expect(collect.errors).toMatch(/ 1 shed \(refused\/finding 1\)/);
    const sessions = await kafka.readAll(TOPICS.sessions);
    expect(sessions.length).toBeGreaterThan(0);
  });

  test("without the topic of streams, where they are asked for: one clear line and status 2", async () => {
    const collect = collectTo("--streams");
    expect(await collect.ended()).toBe(2);
    expect(collect.said()).toEqual([
      expect.stringMatching(/^rejoin: Kafka at \S+ has no topic rejoin\.streams\.v1; create it first: /),
    ]);
  });

  test.each([
    ["two-texts-one-dsn", "msgpack", [["octets-differ", null, "initiator"]]],
    ["join-hmac-wrong-v1", "json", [["join-hmac-failed", 1, "initiator"]]],
  ] as const)("%s: its finding arrives once, as %s", async (name, format, told) => {
    await have(TOPICS.findings);
    const collect = collectTo("--format", format, "--name", name);
    const collector = `127.0.0.1:${await collect.port()}`;
    await rejoin("agent", "--replay", hostile(name), "--collector", collector, "--key", "1");
    collect.kill("SIGTERM");
    expect(await collect.ended()).toBe(0);
    const messages = (await kafka.readAll(TOPICS.findings)).filter(
      ({ headers }) => headers.ce_source === `/rejoin/${name}`,
    );
    const findings = messages.map(({ key, value, headers }) => {
      const decoded = decode(value, format);
      if (!decoded.ok) throw new Error(decoded.reason);
      const finding = findingRecord.parse(decoded.record);
      expect(key).toBe(finding.mptcp.session.id);
      expect(headers).toMatchObject({ ce_id: finding.event.id, ce_type: "rejoin.finding.v1" });
      return finding;
    });
    expect(findings.map(summary)).toEqual(told);
    const [session] = (await consume(TOPICS.sessions, name)).map((record) => sessionRecord.parse(record));
    expect(findings.map(({ mptcp }) => mptcp.session.id)).toEqual([session?.mptcp.session.id]);
    expect(await consume(TOPICS.findings, name)).toEqual(findings);
  });

  test("options stripped between two agents: one finding of each side, and between whom", async () => {
    await have(TOPICS.findings);
    const collect = collectTo("--name", "stripped");
    const port = await collect.port();
    await send(await copiesOf([hostile("option-stripped.agent1"), hostile("option-stripped.agent2")]), port);
    collect.kill("SIGTERM");
    expect(await collect.ended()).toBe(0);
    const findings = (await consume(TOPICS.findings, "stripped")).map((record) => findingRecord.parse(record));
    expect(findings.map(summary).sort()).toEqual([
      ["option-rewritten", 0, "initiator"],
      ["option-rewritten", 0, "responder"],
    ]);
    // Of one packet or of more: the first record that shows it makes the finding, and that may be any.
    for (const { message } of findings) expect(message).toMatch(/ lost (its|their) MPTCP options between .* and /);
  });

  test("streams, with the broker killed in the middle: each octet once and in order", async () => {
    await have(TOPICS.findings);
    await have(TOPICS.streams);
    const folder = "join-client";
    const copies = await copiesOf(["router1", "router2"].map((router) => capturePath(`${folder}/${router}.pcap.gz`)));
    const [truth] = JSON.parse(readFileSync(capturePath(`${folder}/truth.json`), "utf8")).sessions;
    const collect = collectTo("--streams", "--drain-seconds", "60", "--name", "streams");
    const port = await collect.port();
    await send(copies.slice(0, copies.length / 2), port);
    await kafka.kill();
    await send(copies.slice(copies.length / 2), port);
    await kafka.restart();
    collect.kill("SIGTERM");
    expect(await collect.ended()).toBe(0);
    expect(collect.errors).toMatch(/records: (\d+) made = \1 acknowledged \+ 0 stored \+ 0 shed/);

    const chunks = (await consume(TOPICS.streams, "streams")).map((record) => streamChunk.parse(record));
    expect(new Set(chunks.map(({ event }) => event.id)).size).toBe(chunks.length);
    for (const [side, sent] of [
      ["initiator", truth.c2s],
      ["responder", truth.s2c],
    ] as const) {
      const own = chunks.map(({ mptcp }) => mptcp.chunk).filter((chunk) => chunk.side === side);
      let next = 0;
      for (const { offset, length, hole } of own) {
        expect([offset, hole]).toEqual([next, 0]);
        next += length;
      }
      const octets = Buffer.concat(own.map((chunk) => Buffer.from(chunk.octets, "base64")));
      expect(createHash("sha256").update(octets).digest("hex")).toBe(sent.sent_sha256);
    }
  });

  test("streams through an outage that is longer than the outbox: chunks are shed and counted, nothing else", async () => {
    const copies = await copiesOf(["router1", "router2"].map((router) => capturePath(`join-client/${router}.pcap.gz`)));
    const more = ["--outbox-records", "20", "--drain-seconds", "60", "--name", "small"];
    await have(TOPICS.findings);
    await have(TOPICS.streams);
    // On the disk there would be room for all of them.
    process.env.REJOIN_COLLECTOR__OUTBOX__KIND = "memory";
    const collect = collectTo("--streams", ...more);
    delete process.env.REJOIN_COLLECTOR__OUTBOX__KIND;
    const port = await collect.port();
    await kafka.kill();
    await send(copies, port);
    await kafka.restart();
    collect.kill("SIGTERM");
    // 1 where the outage lasts into the draining, and the last ledgers cost chunks.
    expect([0, 1]).toContain(await collect.ended());
    const shed = Number(/ shed \(full\/chunk (\d+)\)/.exec(collect.errors)?.[1]);
    expect(shed).toBeGreaterThan(50);

    const sessions = (await consume(TOPICS.sessions, "small")).map((record) => sessionRecord.parse(record));
    expect(sessions.map(({ event }) => event.action)).toContain("session-ended");
    // Whoever puts chunks together sees each place where some are missing: no hole accounts for it.
    const gaps = { initiator: 0, responder: 0 };
    const next = { initiator: 0, responder: 0 };
    for (const record of await consume(TOPICS.streams, "small")) {
      const { side, offset, length, hole } = streamChunk.parse(record).mptcp.chunk;
      gaps[side] += offset - hole - next[side];
      next[side] = offset + length;
    }
    const { initiator, responder } = sessions.at(-1)?.mptcp.stream ?? {};
    expect(next).toEqual({ initiator: initiator?.octets, responder: responder?.octets });
    expect(gaps.initiator + gaps.responder).toBeGreaterThan((shed - 2) * 16_384);
  });
});
