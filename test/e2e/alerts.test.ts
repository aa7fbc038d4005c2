import { spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { queries } from "../helm/dashboard/queries.ts";
import { objects } from "../helm/render.ts";
import { capturePath, copiesOf } from "../support/copies.ts";
import { freePort } from "../support/kafka.ts";
import { needs, titled } from "../support/requirements.ts";
import { Collect, REJOIN } from "./collect.ts";
import { type ActiveAlert, Prometheus } from "./prometheus.ts";

const SECONDS_OF_A_MINUTE = 0.5;
/** Where GRE has key and sequence number, behind flags and protocol (RFC 2890 section 2). */
const KEY_AT = 4;
const SEQUENCE_AT = 8;
const FIRING_MS = 45_000;

/** The chart's alerts with minutes made short: 5m is 2500ms. */
function hastened(): object[] {
  const [rule] = objects("kafka.yaml", "PrometheusRule");
  const shorter = (text: string) =>
    text.replaceAll(/\b(\d+)m\b/g, (_, minutes: string) => `${Number(minutes) * SECONDS_OF_A_MINUTE * 1000}ms`);
  return (rule?.spec.groups ?? []).map(({ name, rules }) => ({
    name,
    rules: rules.map((alert) => ({
      ...alert,
      expr: shorter(alert.expr),
      ...(alert.for === undefined ? {} : { for: shorter(alert.for) }),
    })),
  }));
}

/** Copies of a recording over and over, numbered as an agent does it. */
class Traffic {
  /** One copy in so many is numbered and not sent; 0: none. */
  loseOneIn = 0;
  private readonly socket = createSocket("udp4");
  private readonly timer: NodeJS.Timeout;
  private readonly copies: readonly Uint8Array[];
  private readonly port: number;
  private sequence = 0;
  /** Given, each copy has the next of so many keys. */
  keys = 0;

  constructor(copies: readonly Uint8Array[], port: number) {
    this.copies = copies;
    this.port = port;
    this.timer = setInterval(() => void this.send(20), 20);
  }

  /** Resolves when the kernel has taken all of them. */
  async send(count: number): Promise<void> {
    const taken: Promise<void>[] = [];
    for (let i = 0; i < count; i++) {
      this.sequence += 1;
      if (this.loseOneIn > 0 && this.sequence % this.loseOneIn === 0) continue;
      const copy = Buffer.from(this.copies[this.sequence % this.copies.length] ?? []);
      copy.writeUInt32BE(this.sequence, SEQUENCE_AT);
      if (this.keys > 0) copy.writeUInt32BE(this.sequence % this.keys, KEY_AT);
      taken.push(new Promise((resolve) => this.socket.send(copy, this.port, "127.0.0.1", () => resolve())));
    }
    await Promise.all(taken);
  }

  stop(): void {
    clearInterval(this.timer);
    this.socket.close();
  }
}

/** Where records go as lines, until it goes away with whoever is connected. */
class Reader {
  private readonly connected = new Set<Socket>();
  private readonly server: Server;
  readonly port: Promise<number>;

  constructor() {
    this.server = createServer((socket) => {
      this.connected.add(socket.on("error", () => {}).resume());
    });
    this.port = freePort().then(
      (port) => new Promise((resolve) => this.server.listen(port, "127.0.0.1", () => resolve(port))),
    );
  }

  goAway(): void {
    this.server.close();
    for (const socket of this.connected) socket.destroy();
  }
}

const reason = needs("prometheus", "helm", "koffi");
describe.skipIf(reason)(titled("alerts of a real Prometheus that scrapes real collectors", reason), () => {
  const folder = mkdtempSync(join(tmpdir(), "rejoin-alerts-"));
  const reader = new Reader();
  const collectors: Collect[] = [];
  const traffic: Traffic[] = [];
  let prometheus: Prometheus;

  const collect = async (name: string, configuration: object): Promise<string> => {
    const file = join(folder, `${name}.yaml`);
    writeFileSync(file, JSON.stringify({ admin: { listen: 0 }, ...configuration }));
    const collector = new Collect("--config", file);
    collectors.push(collector);
    return collector.says(/metrics and health at http:\/\/(127\.0\.0\.1:\d+)/);
  };

  beforeAll(async () => {
    const first = await collect("first", {
      agents: [
        { name: "router1", keys: [1] },
        { name: "router2", keys: [2] },
      ],
      listen: { receiveBufferMib: 1 },
      sink: { kind: "tcp", tcp: { host: "127.0.0.1", port: await reader.port } },
      // A record of the agent's ledger each second.
      records: { agentsIntervalSeconds: 1 },
      outbox: { kind: "memory", maxRecords: 2 },
    });
    const second = await collect("second", { anyAgent: true });
    const copies = (await copiesOf([capturePath("join-client/router1.pcap.gz")])).map(({ octets }) => octets);
    for (const collector of collectors) traffic.push(new Traffic(copies, await collector.port()));
    const of = { namespace: "rejoin", service: "rejoin-collector" };
    prometheus = await Prometheus.start(
      [first, second].map((address, i) => ({ address, labels: { ...of, pod: `rejoin-collector-${i}` } })),
      hastened(),
    );
  });
  afterAll(async () => {
    for (const one of traffic) one.stop();
    await prometheus?.stop();
    reader.goAway();
    for (const collector of collectors) collector.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  });

  const named = (alerts: readonly ActiveAlert[]) => alerts.map(({ labels }) => labels.alertname);
  const firing = async () => (await prometheus.alerts()).filter(({ state }) => state === "firing");

  /** Waits until each of these has fired, not all at a time, and returns what any said. */
  const fired = async (...names: readonly string[]): Promise<string[]> => {
    const said = new Map<string, string>();
    for (const end = performance.now() + FIRING_MS; ; ) {
      for (const { labels, annotations } of await firing()) {
        said.set(annotations.summary ?? "", labels.alertname ?? "");
      }
      const missing = names.filter((name) => ![...said.values()].includes(name));
      if (missing.length === 0) return [...said.keys()];
      if (performance.now() > end) throw new Error(`does not fire: ${missing.join(", ")}`);
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
  };

  test("are silent while all is well", async () => {
    const working =
      'rejoin_agent_packets_total{agent="router1"} > 2000 and on () rejoin_records_acknowledged_total > 0';
    for (let waits = 0; waits < 200 && (await prometheus.series(working)) === 0; waits++) {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(await prometheus.series(working)).toBe(1);
    expect(named(await firing())).toEqual([]);
  });

  test("fire when the reader is gone, an agent too, copies are lost and dropped, and senders are too many", async () => {
    const [named1, anyone] = traffic;
    const [first] = collectors;
    if (named1 === undefined || anyone === undefined || first === undefined) throw new Error("not started");
    // A real agent, which reports its own counts, and is then heard no more.
    const replay = ["--replay", capturePath("join-client/router2.pcap.gz"), "--key", "2"];
    const agent = spawn(process.execPath, [
      REJOIN,
      "agent",
      "--collector",
      `127.0.0.1:${await first.port()}`,
      ...replay,
    ]);
    reader.goAway();
    named1.loseOneIn = 50;
    anyone.keys = 3000;
    // While it does not read, its queue fills up.
    first.kill("SIGSTOP");
    await named1.send(6000);
    first.kill("SIGCONT");
    const said = await fired(
      ...["RejoinSinkUnreachable", "RejoinRecordsShed", "RejoinCopiesLost", "RejoinCopiesDropped", "RejoinTableFull"],
      "RejoinAgentSilent",
    );
    agent.kill();
    expect(said).toContain("rejoin-collector-0: records were given up (full)");
    expect(said).toContain("router1: more than one copy in 1,000 does not arrive at rejoin-collector-0");
    expect(said).toContain("rejoin-collector-1: a table of decapsulate is full, and new entries are not observed");
    expect(said).toContain("router2: rejoin-collector-0 hears nothing of it any more, not even its own counts");
    expect(said.filter((summary) => summary.startsWith("Fewer collectors"))).toEqual([]);
  });

  test("fire when a collector is gone", async () => {
    collectors[1]?.kill("SIGKILL");
    await fired("RejoinCollectorDown");
  });

  test("stand beside a dashboard whose queries Prometheus answers", async () => {
    const empty: string[] = [];
    for (const { panel, expr } of queries()) {
      const series = await prometheus.series(expr.replace("[3h]", "[1m]"));
      // What is shown where it is more than 0 is often nothing.
      if (series === 0 && !expr.includes("> 0")) empty.push(panel);
    }
    expect(empty).toEqual([]);
  });
});
