import { ThreadDelivery } from "../../collectors/delivery/thread-delivery.ts";
import { collectorConfiguration } from "../../schema/configuration/collector.ts";
import { TOPICS } from "../../schema/topics.ts";

/**
 * Hands numbered records to the delivery of a collector, through its thread and its outbox, until it is killed or told to
 * end: `writer.js BROKERS OUTBOX DELIVERY RATE`. Numbers go on where the outbox's account ends. It prints that account as a
 * JSON line ten times a second, and at the end.
 */
const [brokers = "", directory = "", delivery = "", rate = "500"] = process.argv.slice(2);
const configuration = collectorConfiguration.parse({
  name: "writer",
  records: { agentsIntervalSeconds: 0 },
  sink: { kind: "kafka", kafka: { brokers: brokers.split(","), delivery, compression: "none" } },
  outbox: { directory, syncMs: 50 },
  log: { level: process.env.REJOIN_LOG ?? "silent" },
});
const thread = new ThreadDelivery(configuration);
await thread.open();

const TICK_MS = 10;
const CLASSES = ["opened", "updated", "ended", "finding"] as const;
let n = thread.stats().made;
const tell = () => process.stdout.write(`${JSON.stringify(thread.stats())}\n`);
const feeding = setInterval(() => {
  const count = Math.max(1, Math.round((Number(rate) * TICK_MS) / 1000));
  // One class for each batch: a kill between two classes' parts of one leaves numbers that were never made.
  const recordClass = CLASSES[n % CLASSES.length] ?? "ended";
  const records = Array.from({ length: count }, () => {
    const key = `session ${n % 50}`;
    const value = Buffer.from(JSON.stringify({ n, pad: "x".repeat(500) }));
    return { recordClass, topic: TOPICS.sessions, key, value, headers: { ce_id: `id-${n++}` } };
  });
  thread.append(records);
}, TICK_MS);
const telling = setInterval(tell, 100);
process.on("SIGTERM", async () => {
  clearInterval(feeding);
  clearInterval(telling);
  await thread.stop(60_000);
  tell();
  process.exit();
});
