import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { decode } from "../../schema/encoding.ts";
import { type SessionRecord, sessionRecord } from "../../schema/session-record.ts";
import { CONTENT_TYPES, TOPICS } from "../../schema/topics.ts";
import { type Copy, capturePath, copiesOf } from "../support/copies.ts";
import { kafkaMissing, TestKafka } from "../support/kafka.ts";
import { needs, titled } from "../support/requirements.ts";
import { Collect, send } from "./collect.ts";

const WITHOUT_KOFFI = fileURLToPath(new URL("../support/without-koffi.cjs", import.meta.url));
const missing = await kafkaMissing();

let directory: string;
let copies: Copy[];
let token: string;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "rejoin-collect-"));
  copies = await copiesOf([capturePath("join-client/router1.pcap.gz"), capturePath("join-client/router2.pcap.gz")]);
  token = JSON.parse(readFileSync(capturePath("join-client/truth.json"), "utf8")).sessions[0].client_token;
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const sessionsIn = (lines: string): SessionRecord[] =>
  lines
    .split("\n")
    .filter((line) => line.includes('"rejoin.session"'))
    .map((line) => sessionRecord.parse(JSON.parse(line)));

describe("rejoin collect", () => {
  test("standard output: one record per line and nothing else; SIGTERM drains and ends with 0", async () => {
    const collect = new Collect("--sink", "stdout");
    await send(copies, await collect.port());
    collect.kill("SIGTERM");
    expect(await collect.ended()).toBe(0);
    const sessions = sessionsIn(collect.output);
    expect(sessions.at(-1)).toMatchObject({
      event: { action: "session-ended" },
      mptcp: { token: { initiator: token } },
    });
    for (const line of collect.output.trimEnd().split("\n")) JSON.parse(line);
    expect(collect.errors).toMatch(/records: (\d+) made = \1 acknowledged \+ 0 stored \+ 0 shed/);
  });

  test("SIGTERM while it starts: drains and ends with 0", async () => {
    const config = join(directory, "admin.json");
    writeFileSync(config, JSON.stringify({ admin: { listen: "127.0.0.1:0" } }));
    const collect = new Collect("--config", config, "--sink", "stdout");
    // It opens this first of all.
    await collect.says(/metrics and health at/);
    collect.kill("SIGTERM");
    expect(await collect.ended()).toBe(0);
    expect(collect.errors).toMatch(/SIGTERM: draining/);
  });

  test("SIGTERM while its broker takes connections and says nothing, and records are in memory: ends in its time", async () => {
    const broker = createServer((socket) => void socket.on("error", () => {}).resume()).listen(0, "127.0.0.1");
    await once(broker, "listening");
    const { port } = broker.address() as AddressInfo;
    const config = join(directory, "silent.json");
    writeFileSync(config, JSON.stringify({ outbox: { kind: "memory" }, sink: { kind: "kafka" } }));
    const seconds = ["--drain-seconds", "2"];
    const collect = new Collect("--config", config, "--brokers", `127.0.0.1:${port}`, ...seconds);
    await once(broker, "connection");
    const begunMs = performance.now();
    collect.kill("SIGTERM");
    expect(await collect.ended()).toBe(0);
    // Attempts of kafkajs go on for half a minute and more.
    expect(performance.now() - begunMs).toBeLessThan(6000);
    expect(collect.errors).toMatch(/the sink has given no answer since the start/);
    broker.close();
  });

  test("without package koffi: one line of the log, and the same records", async () => {
    const records = async () => {
      const collect = new Collect("--sink", "stdout", "--revisions", "ended");
      await send(copies, await collect.port());
      collect.kill("SIGTERM");
      expect(await collect.ended()).toBe(0);
      const [{ mptcp }] = sessionsIn(collect.output) as [SessionRecord];
      const { token, stream, verdicts } = mptcp;
      return { said: collect.errors.match(/datagrams are received one at a time/g), token, stream, verdicts };
    };
    vi.stubEnv("NODE_OPTIONS", `--require ${WITHOUT_KOFFI}`);
    const without = await records().finally(() => vi.unstubAllEnvs());
    expect(without.said).toHaveLength(1);
    expect(without.token).toMatchObject({ initiator: token });
    const withKoffi = needs("Linux", "koffi") === undefined ? { ...without, said: null } : without;
    expect(await records()).toEqual(withKoffi);
  });

  test("files are the default", async () => {
    const collect = new Collect("--dir", join(directory, "records"), "--revisions", "ended");
    await send(copies.slice(0, 100), await collect.port());
    collect.kill("SIGINT");
    expect(await collect.ended()).toBe(0);
    const sessions = sessionsIn(readFileSync(join(directory, "records", `${TOPICS.sessions}.jsonl`), "utf8"));
    expect(sessions).toMatchObject([{ mptcp: { close: { reason: "shutdown" } } }]);
  });

  const full = needs("Linux", "prlimit");
  test.skipIf(full)(
    titled("a disk that is full to the end: what was lost is one line and status 1", full),
    async () => {
      const collect = new Collect("--dir", join(directory, "full"), "--drain-seconds", "1");
      const port = await collect.port();
      spawnSync("prlimit", ["--pid", String(collect.pid), "--fsize=0:unlimited"]);
      await send(copies.slice(0, 100), port);
      collect.kill("SIGTERM");
      expect(await collect.ended()).toBe(1);
      const lines = collect.errors.split("\n").filter((line) => line !== "" && !line.startsWith("{"));
      expect(lines).toEqual([
        expect.stringMatching(
          /^rejoin: \d+ records did not get to files in \S+ before the end and are lost; .*--drain-seconds/,
        ),
      ]);
    },
  );

  test("a reader that goes away ends it quietly", async () => {
    const collect = new Collect("--sink", "stdout");
    const port = await collect.port();
    collect.stopReading();
    await send(copies.slice(0, 100), port);
    expect(await collect.ended()).toBe(0);
    expect(collect.errors).not.toMatch(/ at .*\.js:|EPIPE/);
  });

  test("a busy port is one clear line and status 2", async () => {
    const first = new Collect("--sink", "stdout");
    const port = await first.port();
    const second = new Collect("--sink", "stdout", "--listen-udp", `127.0.0.1:${port}`);
    expect(await second.ended()).toBe(2);
    expect(second.said()).toEqual([
      `rejoin: udp 127.0.0.1:${port}: the port is in use by another program; stop it or choose another with --listen-udp`,
    ]);
    first.kill("SIGTERM");
    expect(await first.ended()).toBe(0);
  });
});

describe.skipIf(missing)(titled("rejoin collect to Kafka", missing), () => {
  let kafka: TestKafka;
  beforeAll(async () => {
    kafka = await TestKafka.start();
    await kafka.createTopic(TOPICS.sessions, 3);
    await kafka.createTopic(TOPICS.agents, 1);
  });
  afterAll(() => kafka?.wipe());

  test.each(["msgpack", "json"] as const)(
    "sessions and ledgers arrive as %s, keyed and with headers",
    async (format) => {
      const name = `as-${format}`;
      const collect = new Collect("--sink", "kafka", "--brokers", kafka.address, "--format", format, "--name", name);
      await send(copies, await collect.port());
      collect.kill("SIGTERM");
      expect(await collect.ended()).toBe(0);
      const messages = (await kafka.readAll(TOPICS.sessions)).filter(
        ({ headers }) => headers.ce_source === `/rejoin/${name}`,
      );
      const records = messages.map(({ key, value, headers }) => {
        const decoded = decode(value, format);
        if (!decoded.ok) throw new Error(decoded.reason);
        const record = sessionRecord.parse(decoded.record);
        expect(key).toBe(record.mptcp.session.id);
        expect(headers).toMatchObject({
          ce_id: record.event.id,
          ce_specversion: "1.0",
          ce_type: "rejoin.session.v1",
        });
        return record;
      });
      expect(records.map(({ mptcp }) => mptcp.session.revision)).toEqual(records.map((_, i) => i + 1));
      expect(records.at(-1)).toMatchObject({
        event: { action: "session-ended" },
        mptcp: { token: { initiator: token } },
      });
      const ledgers = (await kafka.readAll(TOPICS.agents)).filter(
        ({ headers }) => headers.ce_source === `/rejoin/${name}`,
      );
      expect(new Set(ledgers.map(({ key }) => key)).size).toBe(2);
    },
  );

  test("each topic in the format that the configuration gives it", async () => {
    const config = join(directory, "formats.yaml");
    writeFileSync(config, "records: { formats: { agents: json } }\n");
    const collect = new Collect("--config", config, "--sink", "kafka", "--brokers", kafka.address, "--name", "mixed");
    await send(copies, await collect.port());
    collect.kill("SIGTERM");
    expect(await collect.ended()).toBe(0);
    for (const [topic, format] of [
      [TOPICS.sessions, "msgpack"],
      [TOPICS.agents, "json"],
    ] as const) {
      const own = (await kafka.readAll(topic)).filter(({ headers }) => headers.ce_source === "/rejoin/mixed");
      expect(own.length).toBeGreaterThan(0);
      for (const { value, headers } of own) {
        expect(headers["content-type"]).toBe(CONTENT_TYPES[format]);
        expect(decode(value, format).ok).toBe(true);
      }
    }
  });

  test("a broker that is gone at the end: records stay in the outbox, and the next collector delivers them", async () => {
    const outbox = mkdtempSync(join(tmpdir(), "rejoin-outbox-"));
    const args = ["--sink", "kafka", "--brokers", kafka.address, "--drain-seconds", "1", "--outbox", outbox];
    const name = "outage";
    const collect = new Collect(...args, "--name", name);
    const port = await collect.port();
    await kafka.kill();
    await send(copies.slice(0, 100), port);
    const started = Date.now();
    collect.kill("SIGTERM");
    expect(await collect.ended()).toBe(0);
    expect(Date.now() - started).toBeLessThan(9000);
    const made = Number(await collect.says(/records: (\d+) made = 0 acknowledged \+ \1 stored \+ 0 shed/));
    expect(made).toBeGreaterThan(2);
    // It starts while the broker is still away, says so in one line, and goes on when it is back.
    const next = new Collect(...args.with(5, "20"), "--name", name);
    await next.port();
    expect(next.errors).toMatch(/cannot be reached: .*; records wait in the outbox until then/);
    await kafka.restart();
    await next.says(/sink: works again/);
    next.kill("SIGTERM");
    expect(await next.ended()).toBe(0);
    // The ledgers' records of the second one are its own.
    expect(next.errors).toMatch(/records: (\d+) made = \1 acknowledged \+ 0 stored \+ 0 shed/);
    const own = (await kafka.readAll(TOPICS.sessions)).filter(({ headers }) => headers.ce_source === `/rejoin/${name}`);
    expect(own.map(({ headers }) => headers.ce_id)).toHaveLength(new Set(own.map(({ headers }) => headers.ce_id)).size);
    expect(own.length).toBeGreaterThanOrEqual(2);
    rmSync(outbox, { recursive: true });
  });

  test("a second signal ends it at once", async () => {
    const collect = new Collect("--sink", "kafka", "--brokers", kafka.address, "--drain-seconds", "60");
    const port = await collect.port();
    await kafka.kill();
    await send(copies.slice(0, 100), port);
    collect.kill("SIGTERM");
    await collect.says(/draining/);
    collect.kill("SIGTERM");
    expect(await collect.ended()).toBe(143);
    await kafka.restart();
  });

  test("topics that are missing are one clear line and status 2", async () => {
    await kafka.deleteTopic(TOPICS.agents);
    const collect = new Collect("--sink", "kafka", "--brokers", kafka.address);
    expect(await collect.ended()).toBe(2);
    expect(collect.said()).toEqual([
      expect.stringMatching(/^rejoin: Kafka at \S+ has no topic rejoin\.agents\.v1; create it first: /),
    ]);
  });
});
