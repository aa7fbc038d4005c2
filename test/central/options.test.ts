import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { describe, expect, test } from "vitest";
import { parseAgentRule } from "../../collectors/central/agent-rule.ts";
import { command } from "../../collectors/central/command.ts";
import { parseGreListen } from "../../collectors/central/listen.ts";
import { addOptions, configurationOf } from "../../collectors/central/options.ts";
import { collectorConfig } from "../../collectors/central/setup.ts";
import { OperationalError } from "../../collectors/runtime/errors.ts";
import { collectorConfiguration, collectorFaults } from "../../schema/configuration/collector.ts";
import { TOPICS } from "../../schema/topics.ts";
import { helpOf } from "../support/help.ts";

test("the help fits into 80 columns and says what the exit status means", () => {
  const lines = helpOf(command()).split("\n");
  expect(lines.filter((line) => line.length > 80)).toEqual([]);
  expect(lines.filter((line) => line.startsWith("Exit status: 0 "))).toHaveLength(1);
});

describe("--agent", () => {
  test.each([
    ["name=r1,address=192.0.2.1,key=7", { addresses: ["192.0.2.1"], keys: [7] }],
    ["name=r1,key=0", { keys: [0] }],
    ["key=0xFFFFFFFF,name=r1", { keys: [0xffffffff] }],
    ["name=r1, address=2001:db8::1", { addresses: ["2001:db8::1"] }],
    ["name=r1,address=192.0.2.0/24", { addresses: ["192.0.2.0/24"] }],
    ["name=r1,key=7,encapsulation=vxlan-gpe", { keys: [7], encapsulations: ["vxlan-gpe"] }],
  ])("%s", (text, rule) => {
    expect(parseAgentRule(text)).toEqual({ name: "r1", addresses: [], keys: [], encapsulations: [], ...rule });
  });

  test("a name may have blanks", () => expect(parseAgentRule("name=r 1,key=1").name).toBe("r 1"));

  test.each([
    ["", /is not word=value/],
    ["router1", /is not word=value/],
    ["name=r1", /neither address nor key/],
    ["key=1", /name is missing/],
    ["name=r1,key=4294967296", /is not a number from 0/],
    ["name=r1,key=-1", /is not a number from 0/],
    ["name=r1,key=1e3", /is not a number from 0/],
    ["name=r1,address=router1.example", /is not an IP address/],
    ["name=r1,address=192.0.2.1/33", /is not an IP address or network/],
    ["name=r1,port=1", /port is not known/],
    ["name=r1,key=1,key=2", /key stands there twice/],
    ["name=r1,key=1,encapsulation=ipip", /ipip is none of gre, gre-in-udp, erspan/],
    ["name=r1,encapsulation=gre", /neither address nor key/],
  ])("%s is refused", (text, message) => {
    expect(() => parseAgentRule(text)).toThrow(OperationalError);
    expect(() => parseAgentRule(text)).toThrow(message);
  });
});

test("--listen-gre", () => {
  expect(parseGreListen(true)).toEqual(["ipv4", "ipv6"]);
  expect(parseGreListen("0.0.0.0")).toEqual(["ipv4"]);
  expect(parseGreListen("::")).toEqual(["ipv6"]);
  expect(() => parseGreListen("192.0.2.1")).toThrow(/every address/);
});

test("captures of plain TCP have room for two", () => {
  const faults = (plainTcp: object) => collectorFaults(collectorConfiguration.parse({ anyAgent: true, plainTcp }));
  expect(faults({ rotateMib: 4, keepMib: 8 })).toEqual([]);
  expect(faults({ rotateMib: 5, keepMib: 8 })).toMatchObject([{ path: ["plainTcp", "keepMib"] }]);
});

describe("options as configuration", () => {
  const parsed = (...words: string[]) =>
    configurationOf(addOptions(new Command()).exitOverride().parse(words, { from: "user" })).values;
  const defaults = collectorConfiguration.parse({});

  test("nothing but who may send: every default", () => {
    expect(parsed("--any-agent")).toEqual({ ...defaults, anyAgent: true });
  });

  test("each of them, to Kafka", () => {
    const lines = [
      "--listen-udp 127.0.0.1:1 --listen-udp 2 --listen-gre :: --agent name=a,key=0x10 --agent name=b,address=192.0.2.1",
      "--sink kafka --brokers a:1,b:2 --compression none",
      "--format json --revisions ended --partial --digest --streams --agents-interval 0 --name n",
      "--receive-buffer-mib 4 --outbox o --drain-seconds 6",
    ];
    expect(parsed(...lines.join(" ").split(" "))).toEqual({
      ...defaults,
      name: "n",
      listen: { ...defaults.listen, udp: ["127.0.0.1:1", "2"], gre: ["ipv6"], receiveBufferMib: 4 },
      agents: [
        { name: "a", addresses: [], keys: [16], encapsulations: [], packetsPerSecond: null },
        { name: "b", addresses: ["192.0.2.1"], keys: [], encapsulations: [], packetsPerSecond: null },
      ],
      anyAgent: false,
      agentPacketsPerSecond: 200_000,
      records: {
        ...defaults.records,
        revisions: "ended",
        partial: true,
        digest: true,
        streams: true,
        format: "json",
        agentsIntervalSeconds: 0,
      },
      sink: {
        ...defaults.sink,
        kind: "kafka",
        kafka: { ...defaults.sink.kafka, brokers: ["a:1", "b:2"], compression: "none" },
      },
      outbox: { ...defaults.outbox, directory: "o" },
      shutdown: { drainSeconds: 6 },
    });
  });

  test("those of files", () => {
    const line = "--any-agent --dir d --rotate-mib 1 --rotate-minutes 2 --keep 3 --outbox-records 5";
    expect(parsed(...line.split(" "))).toEqual({
      ...defaults,
      anyAgent: true,
      sink: { ...defaults.sink, files: { directory: "d", rotateMib: 1, rotateMinutes: 2, keep: 3 } },
      outbox: { ...defaults.outbox, maxRecords: 5 },
    });
  });

  test("a topic's format may be another than that of the rest", () => {
    const formats = (records: object, kind = "kafka") =>
      collectorConfig(collectorConfiguration.parse({ anyAgent: true, sink: { kind }, records })).formats;
    const all = (format: string) => Object.fromEntries(Object.values(TOPICS).map((topic) => [topic, format]));
    expect(formats({})).toEqual(all("msgpack"));
    expect(formats({}, "files")).toEqual(all("json"));
    expect(formats({ formats: { findings: "json" } })).toEqual({ ...all("msgpack"), "rejoin.findings.v1": "json" });
    expect(formats({ format: "json", formats: { streams: "msgpack" } })).toEqual({
      ...all("json"),
      "rejoin.streams.v1": "msgpack",
    });
    expect(
      collectorFaults(collectorConfiguration.parse({ anyAgent: true, records: { formats: { agents: "msgpack" } } })),
    ).toEqual([{ path: ["records", "formats", "agents"], message: "sink files writes JSON lines; leave msgpack out" }]);
  });

  test("--listen-gre alone is all of where it listens", () => {
    const { listen } = parsed("--listen-gre", "--any-agent");
    expect([listen.udp, listen.gre]).toEqual([[], ["ipv4", "ipv6"]]);
  });

  test("--listen-ring stands instead of the sockets, beside those of other ports", () => {
    const alone = collectorConfig(
      parsed("--listen-ring", "eth0", "--listen-ring", "eth1", "--ring-drop", "--any-agent"),
    );
    expect(alone).toMatchObject({ listenUdp: [], listenGre: [], listenRing: ["eth0", "eth1"], ringDrop: true });
    const { listen } = parsed("--listen-ring", "eth0", "--listen-udp", "4789", "--any-agent");
    expect(listen).toMatchObject({ udp: ["4789"], gre: [], ring: ["eth0"], ringDrop: false });
  });

  test("ports that the system chooses may be several", () => {
    expect(parsed("--listen-udp", "127.0.0.1:0", "--listen-udp", "127.0.0.1:0").listen.udp).toHaveLength(2);
  });

  test.each([
    [["--listen-ring", "eth0", "--listen-gre", "--any-agent"], /listen.ring: a ring takes what a socket would take/],
    [["--listen-ring", "eth0", "--listen-udp", "127.0.0.1:4754", "--any-agent"], /listen.ring: a ring takes/],
    [["--ring-drop", "--any-agent"], /listen.ringDrop: there is no ring/],
    [["--listen-ring", "lo"], /nobody may send yet/],
    [
      ["--listen-udp", "127.0.0.1:9", "--listen-udp", "8", "--listen-udp", "vxlan=127.0.0.1:9", "--any-agent"],
      /^--listen-udp: listen\.udp\[2\]: is where listen\.udp\[0\] receives; leave one out$/,
    ],
    [
      ["--listen-udp", "0.0.0.0:9", "--listen-udp", "127.0.0.1:9", "--any-agent"],
      /^--listen-udp: listen\.udp\[1\]: shares its port, and addresses, with listen\.udp\[0\], and only one of the two /,
    ],
  ])("%j is refused", (options, line) => expect(() => parsed(...options)).toThrow(line));

  test.each([
    ["4754", { host: null, port: 4754, encapsulation: "gre-in-udp" }],
    ["127.0.0.1:0", { host: "127.0.0.1", port: 0, encapsulation: "gre-in-udp" }],
    ["4789", { host: null, port: 4789, encapsulation: "vxlan" }],
    ["192.0.2.9:4790", { host: "192.0.2.9", port: 4790, encapsulation: "vxlan-gpe" }],
    ["6081", { host: null, port: 6081, encapsulation: "geneve" }],
    ["vxlan=8472", { host: null, port: 8472, encapsulation: "vxlan" }],
    ["vxlan-gpe=[::1]:4789", { host: "::1", port: 4789, encapsulation: "vxlan-gpe" }],
    ["gre-in-udp=6081", { host: null, port: 6081, encapsulation: "gre-in-udp" }],
  ])("--listen-udp %s", (text, listen) => {
    expect(collectorConfig(parsed("--any-agent", "--listen-udp", text)).listenUdp).toEqual([listen]);
  });

  test("--outbox with records that wait on the disk by a file", () => {
    const folder = mkdtempSync(join(tmpdir(), "rejoin-options-"));
    const file = join(folder, "c.yaml");
    writeFileSync(file, "anyAgent: true\noutbox: {kind: disk}\n");
    expect(parsed("--config", file, "--outbox", "o").outbox.directory).toBe("o");
    rmSync(folder, { recursive: true });
  });

  test("beside a file they win, and their defaults do not", () => {
    const folder = mkdtempSync(join(tmpdir(), "rejoin-options-"));
    const file = join(folder, "c.yaml");
    writeFileSync(
      file,
      "listen: {gre: [ipv4]}\nagents: [{name: a, keys: [1]}]\nsink: {kind: stdout}\noutbox: {maxRecords: 9}\n",
    );
    const { listen, agents, anyAgent, sink, outbox } = parsed("--config", file, "--any-agent", "--outbox-records", "7");
    expect([listen.udp, listen.gre]).toEqual([["4754"], ["ipv4"]]);
    expect([agents, anyAgent, sink.kind, outbox.maxRecords]).toEqual([[], true, "stdout", 7]);
    expect(parsed("--config", file, "--listen-udp", "1").listen).toMatchObject({ udp: ["1"], gre: [] });
    rmSync(folder, { recursive: true });
  });

  test.each([
    ["", /^agents: nobody may send yet: name the agents here \(--agent .*\), or .*, anyAgent: true \(--any-agent\)$/],
    ["--listen-udp 127.0.0.1:1 --listen-udp 2", /^agents: nobody may send yet/],
    ["--agent name=a,key=1 --any-agent", /^--agent and --any-agent exclude each other/],
    [
      "--agent name=a,key=1 --agent name=b,key=1",
      /^--agent: agents\[1\]: this agent has the same address and key as agents\[0\], /,
    ],
    ["--any-agent --format msgpack", /^--format: records.format: sink files writes JSON lines; leave msgpack out$/],
    ["--any-agent --outbox o", /^--outbox has no effect: records for sink files wait in memory; leave it out, or /],
    ["--any-agent --sink kafka --outbox-records 5", /^--outbox-records has no effect: records wait on the disk; /],
    [
      "--any-agent --brokers a:1",
      /^--brokers has no effect: records go to sink files; leave it out, or add --sink kafka$/,
    ],
    ["--any-agent --compression gzip", /^--compression has no effect/],
    ["--any-agent --sink kafka --dir d", /^--dir has no effect: records go to sink kafka; .* --sink files$/],
    ["--any-agent --sink stdout --rotate-mib 1", /^--rotate-mib has no effect/],
    ["--any-agent --sink stdout --rotate-minutes 1", /^--rotate-minutes has no effect/],
    ["--any-agent --sink tcp --keep 1", /^--keep has no effect/],
    [
      "--any-agent --dir d --plain-tcp d",
      /^--plain-tcp: plainTcp.directory: record files are there \(sink.files.directory\), .* give it one of its own$/,
    ],
    [`--any-agent --dir ./d --plain-tcp ${process.cwd()}/d/`, /record files are there \(sink.files.directory\), which/],
    ["--any-agent --sink tcp --outbox d --plain-tcp ./d", /records wait there \(outbox.directory\), which a detector/],
    ["--any-agent --listen-udp x", /^--listen-udp: listen.udp\[0\]: write a port, or address and port: /],
    [
      "--any-agent --drain-seconds 100000",
      /^--drain-seconds: shutdown.drainSeconds: must be a whole number from 1 to /,
    ],
  ])("%s is refused", (line, message) => {
    expect(() => parsed(...line.split(" ").filter((word) => word !== ""))).toThrow(message);
  });
});
