import { kafkaMissing } from "../support/kafka.ts";
import { outage } from "./outage.ts";
import { generator } from "./random.ts";
import { type Reconciliation, reconcile } from "./reconcile.ts";
import { OUTAGES, RECONCILED, table } from "./table.ts";

const WAYS = [
  { delivery: "at-least-once", brokers: 1, share: 1 },
  { delivery: "exactly-once", brokers: 1, share: 1 },
  { delivery: "at-least-once", brokers: 3, share: 1 / 4 },
  { delivery: "exactly-once", brokers: 3, share: 1 / 4 },
] as const;

const RATE_PER_S = 2000;
const OUTBOX_MIB = 4096;

/**
 * `npm run reconcile [-- KILLS [SEED]]`: kills collector and broker so many times (200) under each way of delivery, and at
 * three brokers a quarter as often, and prints what became of the records. Ends with status 1 where one is missing, twice
 * where it must not be, or out of order. `npm run reconcile -- outage [MINUTES]`: an outage of an hour, or so many
 * minutes, at 2,000 records a second, as fast as they are taken; status 1, too, where they are not drained ten times as fast.
 * Status 2 where this machine has no broker, or for other words.
 */
async function main([what = "200", ...words]: readonly string[]): Promise<number> {
  const missing = await kafkaMissing();
  if (missing !== undefined) {
    process.stderr.write(`reconcile: needs a Kafka broker: ${missing}\n`);
    return 2;
  }
  const numbers = what === "outage" ? words : [what, ...words];
  if (numbers.length > (what === "outage" ? 1 : 2) || !numbers.every((word) => /^[1-9]\d{0,5}$/.test(word))) {
    process.stderr.write("reconcile: write KILLS and SEED as numbers, or: outage [MINUTES]\n");
    return 2;
  }
  if (what === "outage") return runOutage(Number(words[0] ?? 60));
  return runKills(Number(what), words[0] ?? String(Date.now() % 1_000_000));
}

async function runOutage(minutes: number): Promise<number> {
  const plan = { records: minutes * 60 * RATE_PER_S, diskMib: OUTBOX_MIB, ratePerS: RATE_PER_S };
  const result = await outage(plan);
  process.stdout.write(table(OUTAGES, [result]));
  const { made, acknowledged, stored, shed, missing, disorder, drainedPerS } = result;
  const isWhole = made === acknowledged + stored + shed && missing === 0 && disorder === 0;
  return isWhole && drainedPerS >= 10 * RATE_PER_S ? 0 : 1;
}

async function runKills(kills: number, seed: string): Promise<number> {
  process.stderr.write(`seed ${seed}\n`);
  const results: Reconciliation[] = [];
  for (const { delivery, brokers, share } of WAYS) {
    const progress = (line: string) => process.stderr.write(`\r${delivery}, brokers ${brokers}: ${line} `);
    const random = generator(Number(seed));
    const plan = { delivery, brokers, kills: Math.ceil(kills * share), brokerEvery: 10, ratePerS: 500, random };
    results.push(await reconcile({ ...plan, progress }));
  }
  process.stdout.write(table(RECONCILED, results));
  return results.every(isGood) ? 0 : 1;
}

function isGood({ made, acknowledged, stored, shed, missing, disorder, messages, distinct, delivery }: Reconciliation) {
  const isOnce = delivery === "at-least-once" || messages === distinct;
  return made === acknowledged + stored + shed && missing === 0 && disorder === 0 && isOnce;
}

process.exitCode = await main(process.argv.slice(2));
