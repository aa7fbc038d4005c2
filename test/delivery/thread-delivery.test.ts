import { expect, test } from "vitest";
import { ThreadDelivery } from "../../collectors/delivery/thread-delivery.ts";
import { collectorConfiguration } from "../../schema/configuration/collector.ts";

test("a thread that takes nothing gets no more than the bound; the rest is shed, and the account holds", async () => {
  const delivery = new ThreadDelivery(collectorConfiguration.parse({ sink: { kind: "tcp" } }));
  const value = Buffer.alloc(2 ** 20);
  const record = { recordClass: "updated", topic: "t", key: "k", value, headers: {} } as const;
  // Not opened: nobody takes anything.
  for (let n = 0; n < 100; n++) delivery.append([record]);
  const { made, acknowledged, stored, shed } = delivery.stats();
  expect({ made, acknowledged, stored, shed }).toEqual({
    ...{ made: 100, acknowledged: 0, stored: 64 },
    shed: { "handover/updated": 36 },
  });
  expect(delivery.waiting()).toBe(64);
  await delivery.stop(0);
});
