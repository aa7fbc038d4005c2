import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import kafkajs from "kafkajs";
import { expect, onTestFinished, test } from "vitest";
import { accessError, explained } from "../../../collectors/sink/kafka/access-error.ts";
import type { KafkaAccess } from "../../../collectors/sink/kafka/connection.ts";
import { type KafkaSasl, passwordOf } from "../../../collectors/sink/kafka/sasl.ts";
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

test("a password that a broker repeats is in no line", () => {
  const folder = mkdtempSync(join(tmpdir(), "rejoin-password-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const passwordFile = join(folder, "password");
  // Its end would be cut off with the line.
  const long = "x".repeat(150);
  writeFileSync(passwordFile, "correct horse battery staple\n");
  const refused = new Error(`SASL PLAIN authentication failed: ${long} correct horse battery staple`);
  const { message } = accessError(refused, { ...ACCESS, sasl: { ...SASL, passwordFile } });
  expect(message).toContain("does not let user u in");
  expect(message).not.toMatch(/correct|horse|staple/);
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
