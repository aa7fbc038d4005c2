import { expect, test } from "vitest";
import { KafkaCounters } from "../../../collectors/sink/kafka/counters.ts";

test("the first certificate to expire counts, whichever broker was connected last; a new one takes an old one's place", () => {
  const counters = new KafkaCounters();
  expect(counters.stats().certificateExpiresMs).toBeNull();
  counters.expires("broker a:9093", 1000);
  counters.expires("broker b:9093", 5000);
  expect(counters.stats().certificateExpiresMs).toBe(1000);
  counters.expires("broker a:9093", 9000);
  expect(counters.stats().certificateExpiresMs).toBe(5000);
});

test("brokers that are gone are forgotten when there are too many, those seen last are not", () => {
  const counters = new KafkaCounters();
  counters.expires("broker gone:9093", 1000);
  counters.expires("broker stays:9093", 2000);
  for (let n = 0; n < 1022; n++) counters.expires(`broker ${n}:9093`, 9000);
  counters.expires("broker stays:9093", 2000);
  expect(counters.stats().certificateExpiresMs).toBe(1000);
  counters.expires("broker new:9093", 9000);
  expect(counters.stats().certificateExpiresMs).toBe(2000);
});
