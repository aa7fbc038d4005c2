import kafkajs from "kafkajs";
import { expect, test } from "vitest";
import { protocolCode, remedyFor } from "../../../collectors/sink/kafka/errors.ts";

const { KafkaJSConnectionError, KafkaJSNonRetriableError, KafkaJSNumberOfRetriesExceeded, KafkaJSProtocolError } =
  kafkajs;

/** An error of the protocol as kafkajs hands it out: wrapped when it gave up. */
const protocol = (code: number) =>
  Object.assign(new KafkaJSNonRetriableError("wrapped"), {
    cause: new KafkaJSProtocolError(Object.assign(new Error("refused"), { type: "REFUSED", code })),
  });

test.each([
  [10, "split"],
  [18, "split"],
  [45, "new-producer"],
  [46, "new-producer"],
  [47, "new-producer"],
  [59, "new-producer"],
  [87, "new-producer"],
  [3, "check-topics"],
  [19, "again"],
  [6, "again"],
])("code %i: %s", (code, remedy) => expect(remedyFor(protocol(code))).toBe(remedy));

test("an outage, which kafkajs calls not retriable, is tried again", () => {
  const outage = new KafkaJSNumberOfRetriesExceeded(new KafkaJSConnectionError("refused", { code: "ECONNREFUSED" }), {
    retryCount: 8,
    retryTime: 2000,
  });
  expect(outage.retriable).toBe(false);
  expect(protocolCode(outage)).toBeNull();
  expect(remedyFor(outage)).toBe("again");
});

test("a chain of causes that bites its tail ends", () => {
  const error = new Error("x");
  error.cause = error;
  expect(protocolCode(error)).toBeNull();
});
