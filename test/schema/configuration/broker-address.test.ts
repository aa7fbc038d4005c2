import { describe, expect, it } from "vitest";
import { collectorConfiguration } from "../../../schema/configuration/collector.ts";
import { consumerConfiguration } from "../../../schema/configuration/consumer.ts";

describe("a broker's address", () => {
  const consumed = (broker: string) => consumerConfiguration.safeParse({ brokers: [broker] }).success;
  const delivered = (broker: string) =>
    collectorConfiguration.safeParse({ sink: { kind: "kafka", kafka: { brokers: [broker] } } }).success;

  it.each(["kafka1:9092", "192.0.2.1:1", "[2001:db8::1]:65535"])("may be %s", (broker) => {
    expect([consumed(broker), delivered(broker)]).toEqual([true, true]);
  });

  it.each(["", "kafka1", "kafka1:", ":9092", "kafka1:0", "kafka1:65536", "2001:db8::1:9092", "a b:9092", "a:1,b:2"])(
    "may not be %j",
    (broker) => expect([consumed(broker), delivered(broker)]).toEqual([false, false]),
  );
});

it("no receive buffer is asked for that Linux cannot count", () => {
  const given = (receiveBufferMib: number) =>
    collectorConfiguration.safeParse({ listen: { receiveBufferMib } }).success;
  expect([1023, 1024].map(given)).toEqual([true, false]);
});
