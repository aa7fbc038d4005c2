import { spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Logger, pino } from "pino";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { LocalDelivery } from "../../collectors/delivery/local-delivery.ts";
import { DurableOutbox } from "../../collectors/outbox/durable.ts";
import type { KafkaSasl } from "../../collectors/sink/kafka/sasl.ts";
import { KafkaSink } from "../../collectors/sink/kafka/sink.ts";
import type { SinkTls } from "../../collectors/sink/tls.ts";
import { Authority, type Issued } from "../support/certificates.ts";
import { freePort, kafkaMissing, TestKafka } from "../support/kafka.ts";
import { needs, titled } from "../support/requirements.ts";
import { REJOIN } from "./collect.ts";

const missing = needs("openssl") ?? (await kafkaMissing());
const USER = "rejoin";
const PASSWORD = "rejoin-test";
const TOPIC = "rejoin.sessions.v1";
const GAP = { observer: { name: "c1", version: "1" }, format: "json" } as const;
const JAAS = "org.apache.kafka.common.security";

/** A token that says who its bearer is, unsigned, which a broker takes that is told nothing else (RFC 7519 §6). */
function token(lifeS: number): string {
  const nowS = Math.floor(Date.now() / 1000);
  const parts = [{ alg: "none" }, { sub: USER, iat: nowS - 1, exp: nowS + lifeS }];
  return `${parts.map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".")}.`;
}

const plainLogin = (password: string) => `${JAAS}.plain.PlainLoginModule required user_${USER}="${password}";`;

/** What is wrong with the way to the brokers, and what the log shall say of it. */
interface Trouble {
  readonly what: string;
  readonly begin: (log: Logger) => KafkaSink;
  readonly mend: () => void | Promise<void>;
  readonly line: RegExp;
}

/** What a log says, a line each. */
class Lines {
  readonly all: { readonly level: number; readonly msg: string }[] = [];
  readonly log: Logger = pino({ level: "info" }, { write: (line: string) => void this.all.push(JSON.parse(line)) });

  get warnings(): string[] {
    return this.all.filter(({ level }) => level >= 40).map(({ msg }) => msg);
  }
}

async function until(what: string, condition: () => boolean): Promise<void> {
  const endMs = Date.now() + 60_000;
  while (!condition()) {
    if (Date.now() > endMs) throw new Error(`it never came: ${what}`);
    await sleep(20);
  }
}

describe.skipIf(missing)(titled("Kafka over TLS and SASL, against a real broker", missing), () => {
  let folder: string;
  let kafka: TestKafka;
  let ca: Authority;
  let client: Issued;
  const ports = { mutual: 0, login: 0, old: 0, aged: 0 };
  const at = (name: string) => join(folder, name);

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "rejoin-security-"));
    ca = new Authority(folder, "ca");
    client = ca.issue("client");
    const store = (listener: string, { bundleFile }: Issued) => ({
      [`listener.name.${listener}.ssl.keystore.type`]: "PEM",
      [`listener.name.${listener}.ssl.keystore.location`]: bundleFile,
    });
    for (const name of Object.keys(ports)) ports[name as keyof typeof ports] = await freePort();
    const own: [number, number] = [await freePort(), await freePort()];
    const listeners = Object.entries(ports).map(([name, port]) => `${name.toUpperCase()}://127.0.0.1:${port}`);
    kafka = await TestKafka.start({
      ports: own,
      user: `${USER}=${PASSWORD}`,
      settings: {
        listeners: [`PLAINTEXT://127.0.0.1:${own[0]},CONTROLLER://127.0.0.1:${own[1]}`, ...listeners].join(),
        "advertised.listeners": [`PLAINTEXT://127.0.0.1:${own[0]}`, ...listeners].join(),
        "listener.security.protocol.map":
          "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,MUTUAL:SSL,LOGIN:SASL_SSL,OLD:SSL,AGED:SSL",
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": ca.caFile,
        ...store("mutual", ca.issue("broker")),
        "listener.name.mutual.ssl.client.auth": "required",
        ...store("login", ca.issue("broker-login")),
        ...store("old", ca.issue("broker-old", { alternatives: "DNS:kafka.test" })),
        "listener.name.old.ssl.enabled.protocols": "TLSv1.2",
        "listener.name.old.ssl.protocol": "TLSv1.2",
        ...store("aged", ca.issue("broker-aged", { days: -1 })),
        "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
        "listener.name.login.plain.sasl.jaas.config": plainLogin(PASSWORD),
        "listener.name.login.scram-sha-256.sasl.jaas.config": `${JAAS}.scram.ScramLoginModule required;`,
        "listener.name.login.scram-sha-512.sasl.jaas.config": `${JAAS}.scram.ScramLoginModule required;`,
        "listener.name.login.oauthbearer.sasl.jaas.config": `${JAAS}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";`,
      },
    });
    await kafka.createTopic(TOPIC, 1);
  });
  afterAll(async () => {
    await kafka?.wipe();
    rmSync(folder, { recursive: true, force: true });
  });

  const tls = (more: Partial<SinkTls> = {}): SinkTls => ({
    ...{ caFile: ca.caFile, certificateFile: null, keyFile: null, serverName: null, minVersion: "TLSv1.2" },
    ...more,
  });
  const sasl = (mechanism: KafkaSasl["mechanism"], more: Partial<KafkaSasl> = {}): KafkaSasl => {
    writeFileSync(at("password"), `${PASSWORD}\n`);
    const login = { username: USER, passwordFile: at("password"), passwordVariable: null, tokenCommand: [] };
    return { mechanism, ...login, ...more };
  };
  const sink = (listener: keyof typeof ports, tls: SinkTls, sasl: KafkaSasl | null, log: Logger) =>
    new KafkaSink(
      {
        ...{ brokers: [`127.0.0.1:${ports[listener]}`], clientId: "test", tls, sasl },
        ...{
          topics: [TOPIC],
          optionalTopics: [],
          creation: null,
          compression: "none",
          producers: 1,
          deadLetters: null,
        },
      },
      log,
    );
  /** Opens the way to a listener, mends what its one warning told, and returns that once a record went through. */
  const mended = async (to: (log: Logger) => KafkaSink, mend: () => void | Promise<void>): Promise<string> => {
    const said = new Lines();
    const options = { directory: mkdtempSync(at("outbox-")), maxOctets: 1e8, maxAgeMs: 1e9, syncMs: 50, atRest: null };
    const delivery = new LocalDelivery(await DurableOutbox.open(options, said.log), to(said.log), GAP, said.log);
    await delivery.open();
    delivery.append([{ recordClass: "ended", topic: TOPIC, key: "k", value: Buffer.from("{}"), headers: {} }]);
    await until("a second attempt", () => said.warnings.length > 0);
    await sleep(600);
    const [line = "", ...others] = said.warnings;
    expect(others).toEqual([]);
    expect(delivery.stats()).toMatchObject({ made: 1, acknowledged: 0, stored: 1 });
    await mend();
    await until(`acknowledged after: ${line}`, () => delivery.stats().acknowledged === 1);
    await delivery.stop(5000);
    expect(said.warnings).toEqual([line]);
    expect(said.all.at(-1)?.msg).toMatch(/works again/);
    expect(line).not.toContain("\n");
    return line;
  };
  const taken = async (one: KafkaSink): Promise<void> => {
    const record = { recordClass: "ended", topic: TOPIC, key: "k", value: Buffer.from("{}"), headers: {} } as const;
    await one.open();
    expect(await one.send([record], new AbortController().signal)).toEqual(["acknowledged"]);
    await one.close();
  };
  const quiet = pino({ level: "silent" });

  test.each(["plain", "scram-sha-256", "scram-sha-512"] as const)("%s: a user with a password", async (mechanism) => {
    await taken(sink("login", tls(), sasl(mechanism), quiet));
    process.env.REJOIN_TEST_PASSWORD = PASSWORD;
    const variable = { passwordFile: null, passwordVariable: "REJOIN_TEST_PASSWORD" };
    await taken(sink("login", tls(), sasl(mechanism, variable), quiet));
  });

  test("oauthbearer: a command prints the token", async () => {
    writeFileSync(at("token"), token(60));
    await taken(sink("login", tls(), sasl("oauthbearer", { tokenCommand: ["cat", at("token")] }), quiet));
  });

  test("a client certificate, and the name and least version of TLS that are asked for", async () => {
    const { certificateFile, keyFile } = client;
    await taken(sink("mutual", tls({ certificateFile, keyFile, minVersion: "TLSv1.3" }), null, quiet));
    await taken(sink("old", tls({ serverName: "kafka.test" }), null, quiet));
  });

  test("a certificate that expires soon is one warning, and the first to expire a figure", async () => {
    const { certificateFile, keyFile } = ca.issue("young-no-more", { days: 5 });
    const said = new Lines();
    const one = sink("mutual", tls({ certificateFile, keyFile }), null, said.log);
    await taken(one);
    expect(said.warnings).toEqual([
      expect.stringMatching(/^the certificate of \S+young-no-more\.crt expires on 20\d\d-/),
    ]);
    const days = ((one.stats().certificateExpiresMs ?? 0) - Date.now()) / 86_400_000;
    expect(days).toBeGreaterThan(4.9);
    expect(days).toBeLessThanOrEqual(5);
  });

  /** Written over when that is mended. */
  const files = () => ({
    trusted: at("trusted.crt"),
    certificateFile: at("own.crt"),
    keyFile: at("own.key"),
  });
  const provideClient = ({ certificateFile, keyFile }: Issued) => {
    copyFileSync(certificateFile, files().certificateFile);
    copyFileSync(keyFile, files().keyFile);
  };
  const TROUBLES: readonly Trouble[] = [
    {
      what: "a wrong password",
      begin: (log) => {
        const login = sasl("scram-sha-512");
        writeFileSync(at("password"), "wrong");
        return sink("login", tls(), login, log);
      },
      mend: () => writeFileSync(at("password"), PASSWORD),
      line: /does not let user rejoin in: SASL SCRAM SHA512 authentication failed: .*; check sink\.kafka\.sasl; records wait/,
    },
    {
      what: "an expired token",
      begin: (log) => {
        writeFileSync(at("token"), token(-60));
        return sink("login", tls(), sasl("oauthbearer", { username: null, tokenCommand: ["cat", at("token")] }), log);
      },
      mend: () => writeFileSync(at("token"), token(60)),
      line: /does not let this client in: SASL OAUTHBEARER: the token is refused: .*invalid_token.*; check sink\.kafka\.sasl/,
    },
    {
      what: "a token command that fails",
      begin: (log) => {
        rmSync(at("token"));
        return sink("login", tls(), sasl("oauthbearer", { username: null, tokenCommand: ["cat", at("token")] }), log);
      },
      mend: () => writeFileSync(at("token"), token(60)),
      line: /does not let this client in: SASL OAUTHBEARER: the token command cat ended with 1: cat: .*; check/,
    },
    {
      what: "an unknown authority",
      begin: (log) => {
        copyFileSync(new Authority(folder, "other").caFile, files().trusted);
        return sink("login", tls({ caFile: files().trusted }), sasl("plain"), log);
      },
      mend: () => copyFileSync(ca.caFile, files().trusted),
      line: /cannot be trusted, or does not trust this client: unable to verify the first certificate; check sink\.kafka\.tls/,
    },
    {
      what: "a client's certificate that has expired",
      begin: (log) => {
        provideClient(ca.issue("expired", { days: -1 }));
        return sink("mutual", tls(files()), null, log);
      },
      mend: () => provideClient(client),
      line: /: \S+own\.crt has expired on \d{4}-\d\d-\d\d; check sink\.kafka\.tls/,
    },
  ];
  test.each(TROUBLES.map((trouble) => [trouble.what, trouble] as const))(
    "%s is one clear line, and it goes on when that is mended",
    async (_, trouble) => {
      const { begin, mend, line } = trouble;
      expect(await mended(begin, mend)).toMatch(line);
    },
  );

  test.each<readonly [string, () => KafkaSink, RegExp]>([
    [
      "no client certificate",
      () => sink("mutual", tls(), null, quiet),
      /alert bad certificate; check sink\.kafka\.tls/,
    ],
    ["another name", () => sink("old", tls(), null, quiet), /does not match certificate's altnames.*; check/],
    [
      "a version of TLS below the least one",
      () => sink("old", tls({ serverName: "kafka.test", minVersion: "TLSv1.3" }), null, quiet),
      /alert protocol version; check sink\.kafka\.tls/,
    ],
    [
      "a file that is not there",
      () => sink("login", tls({ caFile: "/no/ca" }), sasl("plain"), quiet),
      /a file of sink/,
    ],
  ])("%s is one clear line", async (_, begin, line) => {
    await expect(begin().open()).rejects.toMatchObject({ message: expect.stringMatching(line), retriable: true });
  });

  const consume = (settings: object) => {
    writeFileSync(at("consumer.yaml"), JSON.stringify(settings));
    const args = ["consume", "--topic", TOPIC, "--config", at("consumer.yaml"), "--json", "--until-idle", "300"];
    const { status, stderr } = spawnSync(process.execPath, [REJOIN, ...args], { encoding: "utf8" });
    return { status, lines: stderr.split("\n").slice(0, -1) };
  };
  const address = (listener: keyof typeof ports) => [`127.0.0.1:${ports[listener]}`];
  /** What the sinks sent: `{}` is read, and is no record. */
  const READ = expect.stringMatching(/of \d+ records could not be read/);

  test("rejoin consume reads with a client certificate, and with a user and a token", () => {
    const { certificateFile, keyFile } = client;
    const mutual = { caFile: ca.caFile, certificateFile, keyFile };
    expect(consume({ brokers: address("mutual"), tls: mutual }).lines.at(-1)).toEqual(READ);
    const login = { brokers: address("login"), tls: { caFile: ca.caFile } };
    const { username, passwordFile } = sasl("scram-sha-256");
    const user = { mechanism: "scram-sha-256", username, passwordFile };
    expect(consume({ ...login, sasl: user }).lines.at(-1)).toEqual(READ);
    writeFileSync(at("token"), token(60));
    const bearer = { mechanism: "oauthbearer", tokenCommand: ["cat", at("token")] };
    expect(consume({ ...login, sasl: bearer }).lines.at(-1)).toEqual(READ);
  });

  test("rejoin consume, let in nowhere, ends with one clear line", () => {
    const brokers = address("login");
    const { username, passwordFile } = sasl("plain");
    writeFileSync(at("password"), "wrong");
    const login = { brokers, tls: { caFile: ca.caFile }, sasl: { mechanism: "plain", username, passwordFile } };
    const refused = /does not let user rejoin in: SASL PLAIN authentication failed: .*; check sasl$/;
    expect(consume(login)).toEqual({ status: 2, lines: [expect.stringMatching(refused)] });
    const untrusted = { brokers, tls: {} };
    expect(consume(untrusted)).toEqual({ status: 2, lines: [expect.stringMatching(/certificate.*; check tls$/)] });
    const nobody = { brokers, tls: {}, sasl: {} };
    const lacking =
      /consumer\.yaml:1: sasl\.username: scram-sha-512 needs a user \(and 1 more: rejoin config check consumer .*consumer\.yaml\)$/;
    expect(consume(nobody)).toEqual({ status: 2, lines: [expect.stringMatching(lacking)] });
  });

  test("a broker that comes back with another password, and a certificate that has not expired: both ways go on", async () => {
    const said = new Lines();
    const open = sink("login", tls(), sasl("plain"), said.log);
    await open.open();
    const record = { recordClass: "ended", topic: TOPIC, key: "k", value: Buffer.from("{}"), headers: {} } as const;
    const send = () => open.send([record], new AbortController().signal);
    expect(await send()).toEqual(["acknowledged"]);
    const comeBack = async () => {
      await kafka.kill();
      kafka.set("listener.name.login.plain.sasl.jaas.config", plainLogin("other"));
      copyFileSync(ca.issue("broker-young").bundleFile, at("broker-aged.pem"));
      await kafka.restart();
    };
    const line = await mended((log) => sink("aged", tls(), null, log), comeBack);
    expect(line).toMatch(
      /cannot be trusted, or does not trust this client: certificate has expired; check sink\.kafka\.tls/,
    );
    const sending = send();
    await until("a warning", () => said.warnings.length > 0);
    writeFileSync(at("password"), "other");
    expect(await sending).toEqual(["acknowledged"]);
    await open.close();
    expect(said.warnings).toEqual([expect.stringMatching(/topic \S+: .* user rejoin in: SASL PLAIN .*; check sink/)]);
    expect(said.all.filter(({ msg }) => /works again/.test(msg))).toHaveLength(1);
    expect(JSON.stringify(said.all)).not.toContain(PASSWORD);
  });
});
