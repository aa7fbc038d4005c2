import { setTimeout as sleep } from "node:timers/promises";
import { ThreadDelivery } from "../../collectors/delivery/thread-delivery.ts";
import { collectorConfiguration } from "../../schema/configuration/collector.ts";
import { TOPICS } from "../../schema/topics.ts";

/**
 * Hands numbered records to the delivery of a collector, through its thread and its outbox, until it is killed or told to
 * end: `writer.js BROKERS OUTBOX DELIVERY RATE [FIRST DISK]`, the first so many as fast as they are taken, into an outbox of
 * so many MiB. Numbers go on where the outbox's account ends. It prints that account as a JSON line ten times a second, and
 * at the end.
 */
const [brokers = "", directory = "", delivery = "", rate = "500", first = "0", diskMib = "4096"] =
  process.argv.slice(2);
const configuration = collectorConfiguration.parse({
  name: "writer",
  records: { agentsIntervalSeconds: 0 },
  sink: { kind: "kafka", kafka: { brokers: brokers.split(","), delivery } },
  outbox: { directory, syncMs: 50, diskMib: Number(diskMib) },
  log: { level: process.env.REJOIN_LOG ?? "silent" },
});
const TICK_MS = 10;
const CHUNK = 500;
/** Records that the thread has not taken yet, at most. */
const AHEAD = 20_000;
const CLASSES = ["opened", "updated", "ended", "finding"] as const;
const thread = new ThreadDelivery(configuration);
await thread.open();
let n = thread.stats().made;
const tell = () => process.stdout.write(`${JSON.stringify(thread.stats())}\n`);
const telling = setInterval(tell, 100);
const append = (count: number) => {
  // One class for each batch: a kill between two classes' parts of one leaves numbers that were never made.
  const recordClass = CLASSES[n % CLASSES.length] ?? "ended";
  const records = Array.from({ length: count }, () => {
    const key = `session ${n % 50}`;
    const value = Buffer.from(JSON.stringify({ n, pad: "x".repeat(500) }));
    return { recordClass, topic: TOPICS.sessions, key, value, headers: { ce_id: `id-${n++}` } };
  });
  thread.append(records);
};
let feeding: NodeJS.Timeout | undefined;
process.on("SIGTERM", async () => {
  clearInterval(feeding);
  clearInterval(telling);
  await thread.stop(60_000);
  tell();
  process.exit();
});
for (const end = n + Number(first); n < end; ) {
  append(Math.min(CHUNK, end - n));
  while (thread.waiting() > AHEAD) await sleep(1);
}
feeding = setInterval(() => append(Math.max(1, Math.round((Number(rate) * TICK_MS) / 1000))), TICK_MS);
