import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ExactlyOnceSink } from "../../../collectors/sink/kafka/exactly-once.ts";
import { KafkaSink, type KafkaSinkOptions } from "../../../collectors/sink/kafka/sink.ts";

import { RefusingBroker } from "./refusing-broker.ts";

const log = pino({ level: "silent" });

let broker: RefusingBroker;
let options: KafkaSinkOptions;

beforeEach(async () => {
  broker = new RefusingBroker();
  options = {
    ...{ brokers: [await broker.listen()], clientId: "rejoin", tls: null, sasl: null },
    ...{ topics: ["rejoin.sessions.v1"], optionalTopics: [], creation: null },
    ...{ compression: "none", producers: 2, deadLetters: null },
  };
});

afterEach(() => broker.close());

describe("a producer that is given no number", { timeout: 30_000 }, () => {
  it("leaves no connection behind, however often a sink is opened", async () => {
    const sink = new KafkaSink(options, log);
    for (let opened = 1; opened <= 3; opened++) {
      await expect(sink.open()).rejects.toThrow();
      await vi.waitFor(() => expect(broker.connections.size).toBe(0), 5000);
    }
    expect(broker.refused).toBeGreaterThanOrEqual(3);
    await sink.close();
  });

  it("leaves none of a sink that delivers exactly once", async () => {
    const sink = new ExactlyOnceSink(options, log);
    await expect(sink.committed("outbox")).rejects.toThrow();
    await vi.waitFor(() => expect(broker.connections.size).toBe(0), 5000);
    expect(broker.refused).toBeGreaterThanOrEqual(1);
    await sink.close();
  });
});
