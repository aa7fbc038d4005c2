import { generator } from "./random.ts";
import { type Reconciliation, reconcile } from "./reconcile.ts";
import { table } from "./table.ts";

/**
 * `npm run reconcile [-- KILLS [SEED]]`: kills collector and broker so many times (200) under each way of delivery, and
 * prints what became of the records. Ends with status 1 where one is missing, twice where it must not be, or out of order.
 */
async function main([kills = "200", seed = String(Date.now() % 1_000_000)]: readonly string[]): Promise<number> {
  process.stderr.write(`seed ${seed}\n`);
  const results: Reconciliation[] = [];
  for (const delivery of ["at-least-once", "exactly-once"] as const) {
    const progress = (line: string) => process.stderr.write(`\r${delivery}: ${line} `);
    const plan = { delivery, kills: Number(kills), brokerEvery: 10, ratePerS: 500, random: generator(Number(seed)) };
    results.push(await reconcile({ ...plan, progress }));
  }
  process.stdout.write(table(results));
  return results.every(isGood) ? 0 : 1;
}

function isGood({ made, acknowledged, stored, shed, missing, disorder, messages, distinct, delivery }: Reconciliation) {
  const isOnce = delivery === "at-least-once" || messages === distinct;
  return made === acknowledged + stored + shed && missing === 0 && disorder === 0 && isOnce;
}

process.exitCode = await main(process.argv.slice(2));
