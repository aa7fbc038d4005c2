import { expect, test } from "vitest";
import { accessError, type KafkaAccess, type KafkaSasl } from "../../../collectors/sink/kafka/connection.ts";
import type { SinkTls } from "../../../collectors/sink/tls.ts";

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
  ["Failed to connect: ENOENT: no such file or directory, open '/x'", "KAFKA_FILE", "cannot be read: ENOENT"],
])("%s", (said, code, line) => {
  const error = accessError(new Error(said), ACCESS);
  expect([error.code, error.retriable]).toEqual([code, true]);
  expect(error.message).toContain(line);
  expect(error.message).not.toContain("\n");
});
