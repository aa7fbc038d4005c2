import { describe, expect, test } from "vitest";
import { outage } from "../reconciliation/outage.ts";
import { generator } from "../reconciliation/random.ts";
import { reconcile } from "../reconciliation/reconcile.ts";
import { kafkaMissing } from "../support/kafka.ts";
import { titled } from "../support/requirements.ts";

const missing = await kafkaMissing();

describe.skipIf(missing)(titled("collector and broker killed at random, with faults between them", missing), () => {
  test.each(["at-least-once", "exactly-once"] as const)(
    "%s: the account reconciles with the topic",
    async (delivery) => {
      const plan = { delivery, brokers: 1, kills: 10, brokerEvery: 5, ratePerS: 500, random: generator(7) } as const;
      const result = await reconcile(plan);
      expect(result.made).toBeGreaterThan(500);
      expect(result).toMatchObject({ stored: 0, shed: 0, missing: 0, disorder: 0 });
      expect(result.acknowledged).toBe(result.made);
      expect(result.distinct).toBe(result.made);
      if (delivery === "exactly-once") expect(result.messages).toBe(result.made);
    },
    // Ten starts of Node and two of a broker, on a machine that others use, too.
    600_000,
  );

  test("three brokers, one killed under load and its leaders moved: nothing is missing, order is kept", async () => {
    const plan = { delivery: "at-least-once", brokers: 3, kills: 1, brokerEvery: 1, ratePerS: 500 } as const;
    const result = await reconcile({ ...plan, random: () => 0.2 });
    expect(result).toMatchObject({ brokerKills: 1, moves: 1, stored: 0, shed: 0, missing: 0, disorder: 0 });
    expect(result.acknowledged).toBe(result.made);
    // No collector was killed, so that nothing comes twice.
    expect(result.messages).toBe(result.made);
  }, 600_000);

  test("records of a minute while the broker is away, more than the disk may take: bounded, counted, drained", async () => {
    const diskMib = 16;
    const ratePerS = 1000;
    const result = await outage({ records: 60_000, diskMib, ratePerS });
    expect(result.diskOctets).toBeLessThan((diskMib + 1) * 2 ** 20);
    expect(result.shed).toBeGreaterThan(10_000);
    expect(result).toMatchObject({ stored: 0, missing: 0, disorder: 0, distinct: result.acknowledged });
    expect(result.made).toBe(result.acknowledged + result.shed);
    // Of an idle machine ten times that; `npm run reconcile -- outage` tells.
    expect(result.drainedPerS).toBeGreaterThan(ratePerS);
  }, 600_000);
});
