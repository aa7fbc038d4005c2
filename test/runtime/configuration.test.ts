import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ConfigurationError, loadConfiguration, type Override } from "../../collectors/runtime/configuration.ts";
import { OperationalError } from "../../collectors/runtime/errors.ts";

let folder: string;
let file: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "rejoin-configuration-"));
  file = join(folder, "collector.yaml");
});
afterAll(() => rmSync(folder, { recursive: true }));

/** A collector's configuration out of a file's text. */
function load(text: string, environment: Record<string, string> = {}, options: readonly Override[] = []) {
  writeFileSync(file, text);
  return loadConfiguration("collector", { file, environment, options });
}

/** What is wrong with a file, a line for each fault, the folder left out. */
function faultsOf(text: string, environment: Record<string, string> = {}, options: readonly Override[] = []) {
  try {
    load(text, environment, options);
  } catch (error) {
    if (error instanceof ConfigurationError) return error.faults.map((fault) => fault.replaceAll(`${folder}/`, ""));
    if (error instanceof OperationalError) return [error.message.replaceAll(`${folder}/`, "")];
    throw error;
  }
  return [];
}

const ANY = "anyAgent: true\n";

describe("what wins", () => {
  const text = `${ANY}sink:\n  kind: kafka\n  kafka:\n    brokers: [file:1]\n`;
  const environment = { REJOIN_COLLECTOR__SINK__KAFKA__BROKERS: "[variable:1, variable:2]" };
  const option = { path: ["sink", "kafka", "brokers"], value: ["option:1"], from: "--brokers" };

  it("is the file over the defaults", () => {
    const { sink, log } = load(text).values;
    expect([sink.kind, sink.kafka.brokers, sink.kafka.compression, log.level]).toEqual([
      ...["kafka", ["file:1"], "gzip", "info"],
    ]);
  });
  it("is a variable over the file, read as YAML where no text may stand", () => {
    expect(load(text, environment).values.sink.kafka.brokers).toEqual(["variable:1", "variable:2"]);
  });
  it("is an option over both", () => {
    expect(load(text, environment, [option]).values.sink.kafka.brokers).toEqual(["option:1"]);
  });
  it("is a variable as it is where text may stand", () => {
    expect(load(ANY, { REJOIN_COLLECTOR__NAME: "007" }).values.name).toBe("007");
  });
  it("is a number beside the one word that may stand there", () => {
    writeFileSync(file, "replay: { files: [a.pcap] }\ncollector: 192.0.2.9\n");
    const speed = (text: string) => {
      const environment = { REJOIN_AGENT__REPLAY__SPEED: text };
      return loadConfiguration("agent", { file, environment, options: [] }).values.replay.speed;
    };
    expect([speed("8"), speed("max")]).toEqual([8, "max"]);
  });
  it("is nothing for variables that Kubernetes makes of a service", () => {
    expect(faultsOf(ANY, { REJOIN_COLLECTOR_PORT: "udp://10.0.0.1:4754", REJOIN_COLLECTOR_SERVICE_HOST: "x" })).toEqual(
      [],
    );
  });
});

describe("references", () => {
  it("stand for a file's content and for a variable, in whole or in part", () => {
    writeFileSync(join(folder, "name"), "secret\n");
    const { values, references } = load(`${ANY}name: "a \${file:${folder}/name} \${env:B} $\${c}"`, { B: "b" });
    expect(values.name).toBe("a secret b ${c}");
    expect([...references.keys()]).toEqual(["name"]);
  });
  it("may stand for numbers", () => {
    expect(load(`${ANY}listen: {receiveBufferMib: "\${env:MIB}"}`, { MIB: "7" }).values.listen.receiveBufferMib).toBe(
      7,
    );
  });
  it.each([
    ["name: ${env:NOBODY}", "collector.yaml:2: name: ${env:NOBODY}: there is no variable NOBODY in the environment"],
    [
      "name: ${nobody}",
      "collector.yaml:2: name: ${nobody} is no reference; write ${file:/path} or ${env:NAME}, and $${ for the characters themselves",
    ],
    [
      "name: ${file:/nobody/here}",
      "collector.yaml:2: name: ${file:/nobody/here}: cannot be read: there is no such file",
    ],
  ])("%s is refused", (line, fault) => expect(faultsOf(ANY + line)).toEqual([fault]));
  it("are not followed into what has no end, and larger files than 1 MiB are refused", () => {
    execFileSync("mkfifo", [join(folder, "pipe")]);
    writeFileSync(join(folder, "large"), "x".repeat((1 << 20) + 1));
    writeFileSync(join(folder, "fitting"), "x".repeat(1 << 20));
    const reference = (path: string) => faultsOf(`${ANY}name: "\${file:${path}}"`);
    const fault = (path: string, why: string) => [`collector.yaml:2: name: \${file:${path}}: cannot be read: ${why}`];
    expect(reference("/dev/zero")).toEqual(fault("/dev/zero", "it is no regular file, read '/dev/zero'"));
    expect(reference(join(folder, "pipe"))).toEqual(fault("pipe", "it is no regular file, read 'pipe'"));
    expect(reference(join(folder, "large"))).toEqual(fault("large", "it is larger than 1 MiB, read 'large'"));
    expect(reference(join(folder, "fitting"))).toEqual([]);
    const asFile = () => loadConfiguration("collector", { file: join(folder, "pipe"), environment: {}, options: [] });
    expect(asFile).toThrow(/pipe: cannot be read: it is no regular file, read '.*pipe'$/);
  });
  it("are in no fault with what they stand for", () => {
    const faults = faultsOf(`${ANY}sink: {kind: "\${env:KIND}"}`, { KIND: "kafkaa-secret" });
    expect(faults).toEqual(["collector.yaml:2: sink.kind: must be one of kafka, files, stdout, tcp"]);
  });
});

it("takes a thousand aliases, and not one more", () => {
  const aliases = (count: number) => `${ANY}x: &a {}\ny: [${"*a,".repeat(count)}]\n`;
  expect(faultsOf(aliases(1001))).toEqual(["collector.yaml: more than 1000 aliases (*)"]);
  expect(faultsOf(aliases(1000))).not.toEqual(["collector.yaml: more than 1000 aliases (*)"]);
});

describe("an alias of what it stands in", () => {
  it.each(["agents: &a [*a]", "listen: &a { udp: *a }", "agents: &a [&b { name: *a }, *b]"])("%s is one line", (text) =>
    expect(faultsOf(ANY + text)).toEqual(["collector.yaml:2: an alias (*) of what it stands in"]),
  );
  it("is one line in a variable, too", () => {
    expect(faultsOf(ANY, { REJOIN_COLLECTOR__AGENTS: "&a [*a]" })).toEqual([
      expect.stringMatching(/^REJOIN_COLLECTOR__AGENTS: agents: must be /),
    ]);
    expect(faultsOf(`${ANY}agents: "\${env:AGENTS}"`, { AGENTS: "&a [*a]" })).toEqual([
      expect.stringMatching(/^collector\.yaml:2: agents: must be /),
    ]);
  });
});

describe("a fault shows no secret that", () => {
  it.each([
    [
      "its key runs into",
      "admin: {listen: 9464, token:hunter2secret}",
      "admin.…: there is no such key; here may stand listen, token",
    ],
    [
      "an alias could be",
      "admin:\n  token: *hunter2secret",
      "collector.yaml:3: this is no YAML: an alias (*) of nothing that has that anchor; put text in quotes",
    ],
    [
      "a tag could be",
      "admin:\n  token: !hunter2secret",
      "collector.yaml:3: this is no YAML: a tag (!) that is unknown here or does not fit; put text in quotes",
    ],
    ["a tag's handle could be", "admin:\n  token: !hunter2secret!x y", ": this is no YAML: "],
    ["an anchor could be", "admin:\n  token: &hunter2secret:", ": this is no YAML: "],
    ["begins a directive", "%hunter2secret", ": this is no YAML: "],
    ["has a wrong escape", 'admin:\n  token: "a\\qhunter2secret"', ": this is no YAML: "],
    ["is in a header of a block", "admin:\n  token: |hunter2secret", ": this is no YAML: "],
    ["begins with a reserved character", "admin:\n  token: `hunter2secret", ": this is no YAML: "],
    ["is the key of a mapping", "admin:\n  token: {hunter2secret: 1}", "admin.token: must be text, or null"],
    [
      "stands where a mapping should",
      "admin: [token, hunter2secret]",
      "admin: must be keys with values (listen, token)",
    ],
    ["names an agent", 'agents: [{name: "${env:SECRET}"}]', "agents[0]: neither addresses nor keys say who this is"],
    [
      "names agents with the same key",
      'agents: [{name: "${env:SECRET}", keys: [1]}, {name: "${env:SECRET}2", keys: [1]}]',
      "agents[1]: this agent has the same address and key as agents[0], which would have all of its copies; give each agent its own key",
    ],
    ["is no address", 'agents: [{name: a, addresses: ["${env:SECRET}"]}]', "agents[0].addresses[0]: "],
  ])("%s", (_, text, part) => {
    const faults = faultsOf(`${text.startsWith("%") ? "" : "name: a\n"}${text}\n`, { SECRET: "hunter2secret" });
    expect(faults.join("\n")).toContain(part);
    expect(faults.join("\n")).not.toContain("hunter2");
  });
  it("is an agent's collector", () => {
    const load = () => {
      writeFileSync(file, "collector: ${env:SECRET}\ncapture: {interfaces: [a]}\n");
      loadConfiguration("agent", { file, environment: { SECRET: "hunter2secret:b:c" }, options: [] });
    };
    expect(load).toThrow(/yaml:1: collector: this is neither a name nor an address; write HOST/);
  });
});

describe("is refused, with file, line and key:", () => {
  it.each([
    ["a bracket", "a: [", /^collector\.yaml:2: this is no YAML: a bracket \(\[\) that is not closed, or /],
    ["a bracket within one", "a: [{b: 1\nname: b", /^collector\.yaml:3: this is no YAML: a bracket \(\{\) that is not/],
    [
      "an indentation",
      "a:\n    b: 1\n  c: 1",
      /^collector\.yaml:4: this is no YAML: an indentation that does not fit$/,
    ],
    ["a key twice", "name: a\nname: b", /^collector\.yaml:3: this is no YAML: a key is there twice/],
    ["two documents", "name: a\n---\nname: b", /^collector\.yaml:3: this is no YAML: /],
    ["an unknown tag", "name: !x a", /^collector\.yaml:2: this is no YAML: /],
    ["an alias of nothing", "name: *x", /^collector\.yaml:2: this is no YAML: /],
    [
      "a key with a slip",
      "sink:\n  kafka:\n    broker: []",
      "collector.yaml:4: sink.kafka.broker: there is no such key; did you mean brokers?",
    ],
    [
      "a key in another place",
      "brokers: [a:1]",
      "collector.yaml:2: brokers: there is no such key; did you mean sink.kafka.brokers?",
    ],
    [
      "a key that is like no other",
      "shutdown: {zzzzzzzzz: 1}",
      "collector.yaml:2: shutdown.zzzzzzzzz: there is no such key; here may stand drainSeconds",
    ],
    [
      "another type",
      "listen:\n  receiveBufferMib: much",
      'collector.yaml:3: listen.receiveBufferMib: must be a whole number from 1 to 1023, not "much"',
    ],
    [
      "a number out of range",
      "shutdown:\n  drainSeconds: 0",
      "collector.yaml:3: shutdown.drainSeconds: must be a whole number from 1 to 86400, not 0",
    ],
    [
      "a number without end",
      "outbox:\n  diskMib: 1e400",
      "collector.yaml:3: outbox.diskMib: must be a whole number from 1 to 1048576, not Infinity",
    ],
    [
      "an unknown word",
      "sink:\n  kind: kafak",
      'collector.yaml:3: sink.kind: must be one of kafka, files, stdout, tcp, not "kafak"; did you mean kafka?',
    ],
    [
      "a wrong entry of a list",
      "listen:\n  udp:\n    - 4754\n    - nowhere",
      /^collector\.yaml:5: listen\.udp\[1\]: write a port, or address and port: 4754, .* vxlan=8472$/,
    ],
    [
      "a key that is missing",
      "agents:\n  - keys: [1]",
      "collector.yaml:3: agents[0].name: is missing; it must be text",
    ],
    [
      "an empty section",
      "sink:",
      /^collector\.yaml:2: sink: must be keys with values \(kind, kafka, files, tcp\), not null$/,
    ],
  ])("%s", (_what, text, fault) => {
    const faults = faultsOf(ANY + text);
    expect(faults).toHaveLength(1);
    if (typeof fault === "string") expect(faults).toEqual([fault]);
    else expect(faults[0]).toMatch(fault);
  });

  it("a list where keys belong", () => {
    expect(faultsOf("- a")).toEqual([expect.stringMatching(/^collector\.yaml:1: must be keys with values \(name, /)]);
  });

  it("a file that is not there", () => {
    expect(() => loadConfiguration("collector", { file: "/nobody/here.yaml", environment: {}, options: [] })).toThrow(
      "/nobody/here.yaml: cannot be read: there is no such file",
    );
  });

  it("what a variable says, by its name", () => {
    expect(faultsOf(ANY, { REJOIN_COLLECTOR__SINK__KIND: "kafak", REJOIN_COLLECTOR__SNK__KIND: "files" })).toEqual([
      "REJOIN_COLLECTOR__SNK__KIND: there is no such key; did you mean REJOIN_COLLECTOR__SINK__KIND?",
      'REJOIN_COLLECTOR__SINK__KIND: sink.kind: must be one of kafka, files, stdout, tcp, not "kafak"; did you mean kafka?',
    ]);
  });

  it("what an option says, by its name", () => {
    const option = { path: ["shutdown", "drainSeconds"], value: 1e6, from: "--drain-seconds" };
    expect(faultsOf(ANY, {}, [option])).toEqual([
      "--drain-seconds: shutdown.drainSeconds: must be a whole number from 1 to 86400, not 1000000",
    ]);
  });

  it("all faults of a file at once, the first of them in the message", () => {
    const text = "name: 7\nlisten: {dup: []}\n";
    expect(faultsOf(text)).toHaveLength(2);
    expect(() => load(text)).toThrow(
      /collector\.yaml:1: name: must be text, or null, not 7 \(and 1 more: rejoin config check collector .*collector\.yaml\)$/,
    );
    const ofOptions = () => loadConfiguration("agent", { file: null, environment: {}, options: [] });
    expect(ofOptions).toThrow(
      /^capture\.interfaces: say where .* FILE\); collector: say where the copies go, here or in collectors \(--collector HOST\)$/,
    );
  });

  it("what is not UTF-8", () => {
    writeFileSync(file, Buffer.from("name: \xff\xfe\n", "latin1"));
    expect(() => loadConfiguration("collector", { file, environment: {}, options: [] })).toThrow(
      /collector\.yaml: is not UTF-8 text; convert it, such as: iconv -f UTF-16 -t UTF-8$/,
    );
  });

  it("a name that is too long, once", () => {
    const long = { file: "n".repeat(300), environment: {}, options: [] };
    expect(() => loadConfiguration("collector", long)).toThrow(/^n{300}: cannot be read: the name is too long$/);
  });
});
