import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { Pump } from "../../collectors/delivery/pump.ts";
import { MemoryOutbox } from "../../collectors/outbox/memory.ts";
import type { Sink } from "../../collectors/sink/sink.ts";

test("a sink that answers after all limits: they hold, its records stay counted as abandoned, and nothing fails", async () => {
  const outbox = new MemoryOutbox({ maxRecords: 10, maxOctets: 10_000 });
  let answer: () => void = () => {};
  const answered = new Promise<void>((resolve) => {
    answer = resolve;
  });
  const deaf: Sink = {
    open: async () => {},
    send: async (records) => {
      await answered;
      return records.map(() => "acknowledged");
    },
    close: async () => {},
  };
  const failures: unknown[] = [];
  const pump = new Pump(outbox, deaf, (error) => failures.push(error));
  outbox.append([{ recordClass: "ended", topic: "t", key: "k", value: new Uint8Array(4), headers: {} }]);
  await sleep(10);
  const startedMs = performance.now();
  await pump.stop(400);
  expect(performance.now() - startedMs).toBeLessThan(800);
  answer();
  await sleep(10);
  expect(failures).toEqual([]);
  expect(outbox.stats()).toMatchObject({ made: 1, acknowledged: 0, stored: 0, shed: { "abandoned/ended": 1 } });
});
