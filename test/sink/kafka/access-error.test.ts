import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import kafkajs from "kafkajs";
import { expect, onTestFinished, test } from "vitest";
import { accessError, explained } from "../../../collectors/sink/kafka/access-error.ts";
import type { KafkaAccess } from "../../../collectors/sink/kafka/connection.ts";
import { handedOver, type KafkaSasl, passwordOf, saslSettings } from "../../../collectors/sink/kafka/sasl.ts";
import { type SinkTls, tlsOptions } from "../../../collectors/sink/tls.ts";

const TLS: SinkTls = { caFile: null, certificateFile: null, keyFile: null, serverName: null, minVersion: "TLSv1.2" };
const SASL: KafkaSasl = {
  ...{ mechanism: "scram-sha-512", username: "u", passwordFile: "f", passwordVariable: null, tokenCommand: [] },
};
const ACCESS: KafkaAccess = { brokers: ["b:1"], clientId: "c", tls: TLS, sasl: SASL };

// What kafkajs said of a real broker.
test.each([
  ["Connection error: connect ECONNREFUSED 127.0.0.1:1", "KAFKA_UNREACHABLE", "check --brokers"],
  ["Connection error: unable to verify the first certificate", "KAFKA_TLS", "check sink.kafka.tls"],
  ["Connection error: certificate has expired", "KAFKA_TLS", "check sink.kafka.tls"],
  ["SASL SCRAM SHA512 authentication failed: invalid credentials", "KAFKA_AUTHENTICATION", "does not let user u in"],
  [
    "Connection error: 801CA3269F7F0000:error:0A000412:SSL routines:ssl3_read_bytes:sslv3 alert bad certificate:../deps/openssl/openssl/ssl/record/rec_layer_s3.c:1601:SSL alert number 42\n",
    "KAFKA_TLS",
    "does not trust this client: sslv3 alert bad certificate; check sink.kafka.tls",
  ],
  [
    "Not authorized to access topics: [Topic authorization failed]",
    "KAFKA_AUTHORIZATION",
    "user u do all that it must",
  ],
  ["Failed to connect: ENOENT: no such file or directory, open '/x'", "KAFKA_FILE", "cannot be read: ENOENT"],
])("%s", (said, code, line) => {
  const error = accessError(new Error(said), ACCESS);
  expect([error.code, error.retriable]).toEqual([code, true]);
  expect(error.message).toContain(line);
  expect(error.message).not.toContain("\n");
});

/** A login whose password stands in a file, and what puts another one there. */
function login(mechanism: KafkaSasl["mechanism"] = "plain") {
  const folder = mkdtempSync(join(tmpdir(), "rejoin-password-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const passwordFile = join(folder, "password");
  const sasl: KafkaSasl = { ...SASL, mechanism, passwordFile };
  const settings = saslSettings(sasl);
  /** As kafkajs takes it for each authentication. */
  const handOver = (password: string) => {
    writeFileSync(passwordFile, `${password}\n`);
    return "password" in settings ? settings.password : "";
  };
  return { access: { ...ACCESS, sasl }, passwordFile, handOver };
}

const refusal = (words: string) => new Error(`SASL PLAIN authentication failed: ${words}`);
const STAPLE = "correct horse battery staple";

test.each([
  ["as it is", STAPLE, STAPLE],
  // Its end would be cut off with the line.
  ["at the end of a long line", STAPLE, `${"x".repeat(180)} ${STAPLE}`],
  ["broken over lines", STAPLE, STAPLE.replaceAll(" ", "\n  ")],
  ["without the space before it", `  ${STAPLE}`, `[${STAPLE}]`],
  ["behind what JSON would have", "u0041bcdef", "\\u0041bcdef"],
  ["in JSON", 'cor"rect\\horse', JSON.stringify({ password: 'cor"rect\\horse' })],
  ["in JSON within JSON", 'cor"rect\\horse', JSON.stringify(JSON.stringify({ password: 'cor"rect\\horse' }))],
  ["in JSON of other programs", "correct<hörse/", '{"password":"correct\\u003ch\\u00F6rse\\/"}'],
  ["with a control character in JSON", "correct\thorse", '{"password":"correct\\thorse"}'],
])("a password that a broker repeats is in no line: %s", (_, password, words) => {
  const { access, handOver } = login();
  expect(handOver(password)).toBe(password);
  const { message } = accessError(refusal(words), access);
  expect(message).toBe(
    "Kafka at b:1 does not let user u in: words that may repeat the password are left out; check sink.kafka.sasl",
  );
});

test("nor is a password that was sent, when its file has another one meanwhile, or is gone", () => {
  const { access, passwordFile, handOver } = login();
  handOver(STAPLE);
  handOver("tr0ub4dor&3");
  const line = () => accessError(refusal(`no user has ${STAPLE}`), access).message;
  expect(line()).not.toMatch(/correct|horse|staple/);
  rmSync(passwordFile);
  expect(line()).not.toMatch(/correct|horse|staple/);
});

test("of passwords that were sent the newest four are remembered, each once", () => {
  const { access, handOver } = login();
  for (const password of ["one", "two", "one", "three", "four", "five"]) handOver(password);
  expect(handedOver(access.sasl)).toEqual(["five", "four", "three", "one"]);
});

test("what a broker says besides stands in the line", () => {
  const { access, handOver } = login();
  handOver(STAPLE);
  expect(accessError(refusal("the account is \\locked"), access).message).toContain(
    "failed: the account is \\locked; ",
  );
});

test.each(["signed", "certificate", "e"])(
  "a password, %s, changes no code, and no line tells what it is",
  (password) => {
    const { access, handOver } = login();
    const lineOf = (error: Error) => {
      const { code, message } = accessError(error, access);
      return [code, message];
    };
    const untrusted = new Error("Connection error: self-signed certificate");
    handOver(STAPLE);
    const [code, before] = lineOf(untrusted);
    expect([code, before]).toEqual(["KAFKA_TLS", expect.stringContaining("client: self-signed certificate; check")]);
    handOver(password);
    expect(lineOf(untrusted)).toEqual([code, expect.stringMatching(/client: words that .* are left out; check/)]);
  },
);

test("a password too short to be looked for keeps all that a broker says out of the line", () => {
  const { access, handOver } = login();
  handOver("q7");
  expect(accessError(refusal("no such user"), access).message).toContain("in: words that may repeat");
});

test("a file that cannot be read is named, whatever the password is", () => {
  const { access, handOver } = login();
  handOver("open");
  const gone = new Error("Failed to connect: ENOENT: no such file or directory, open '/x'");
  expect(accessError(gone, access).message).toContain("cannot be read: ENOENT: no such file or directory, open '/x'");
});

test("what a broker says is no file's fault, whatever its words begin with", () => {
  const { access, handOver } = login();
  handOver(STAPLE);
  const refused = new kafkajs.KafkaJSProtocolError(Object.assign(new Error(`ENOENT: ${STAPLE}`), { code: 44 }));
  const { code, message } = accessError(refused, access);
  expect([code, message]).toEqual(["KAFKA_UNREACHABLE", expect.not.stringContaining(STAPLE)]);
});

test.each([
  ["a password", () => passwordOf({ ...SASL, passwordFile: "/dev/zero" })],
  ["a certificate", () => tlsOptions("b", 1, { ...TLS, certificateFile: "/dev/zero" })],
])("%s in what has no end is not read for ever, and the line says so", (_, read) => {
  let said = "";
  try {
    read();
  } catch (error) {
    said = (error as Error).message;
  }
  const error = accessError(new Error(`Failed to connect: ${said}`), ACCESS);
  expect([error.code, error.message]).toEqual([
    "KAFKA_FILE",
    expect.stringContaining("no regular file, read '/dev/zero'"),
  ]);
});

test("a password in what is larger than a password can be is not read, and the line says so", () => {
  const { access, passwordFile } = login();
  writeFileSync(passwordFile, "x".repeat((1 << 20) + 1));
  let said: unknown;
  try {
    passwordOf(access.sasl);
  } catch (error) {
    said = error;
  }
  const { code, message } = accessError(said, access);
  expect([code, message]).toEqual(["KAFKA_FILE", expect.stringContaining(`larger than 1 MiB, read '${passwordFile}'`)]);
});

test("what brokers answer, and what is no error of theirs, stays as it is", () => {
  const protocol = new kafkajs.KafkaJSProtocolError(Object.assign(new Error("too few replicas"), { code: 19 }));
  const gone = new Error("partition 3 has gone");
  expect([explained(protocol, ACCESS), explained(gone, ACCESS)]).toEqual([protocol, gone]);
  const outage = new kafkajs.KafkaJSConnectionError("connect ECONNREFUSED", { code: "ECONNREFUSED" });
  expect(explained(outage, ACCESS)).toMatchObject({ code: "KAFKA_UNREACHABLE" });
});

test.each([
  [58, "KAFKA_AUTHENTICATION"],
  [33, "KAFKA_AUTHENTICATION"],
  [31, "KAFKA_AUTHORIZATION"],
])("code %d of the protocol is %s, whatever words the broker has for it", (code, expected) => {
  const error = new kafkajs.KafkaJSProtocolError(Object.assign(new Error("go away"), { code }));
  expect(accessError(error, ACCESS).code).toBe(expected);
  expect(accessError(new Error("go away", { cause: error }), ACCESS).code).toBe(expected);
});

test("brokers that no longer let this client in, on the way of records, are explained", () => {
  const refused = new kafkajs.KafkaJSProtocolError(Object.assign(new Error("go away"), { code: 58 }));
  expect(explained(refused, ACCESS)).toMatchObject({ code: "KAFKA_AUTHENTICATION" });
});
