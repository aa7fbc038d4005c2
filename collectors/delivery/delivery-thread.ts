import { parentPort, workerData } from "node:worker_threads";
import type { CollectorConfiguration } from "../../schema/configuration/collector.ts";
import { createLog } from "../runtime/log.ts";
import { LocalDelivery } from "./local-delivery.ts";
import { gapSettings, openOutbox, sinkOf } from "./parts.ts";
import { type FromThread, faultOf, type ToThread } from "./thread-messages.ts";

/** How often the other thread is told what has become of its batches. */
const STATS_MS = 50;

/** The thread of a `ThreadDelivery`: outbox and sink of the configuration in `workerData`. */
async function run(configuration: CollectorConfiguration): Promise<void> {
  const say = (message: FromThread): void => parentPort?.postMessage(message);
  const log = createLog("collect", configuration.log.level);
  const delivery = new LocalDelivery(
    await openOutbox(configuration, log),
    sinkOf(configuration, log),
    gapSettings(configuration),
    log,
  );
  let taken = 0;
  const tell = () => say({ kind: "stats", taken, stats: delivery.stats() });
  // Records may come while the sink is still being opened.
  parentPort?.on("message", (message: ToThread) => {
    if (message.kind === "batch") {
      taken += 1;
      delivery.appendPacked(message.batch, message.lost);
      return;
    }
    if (message.kind === "level") {
      log.level = message.level;
      return;
    }
    clearInterval(timer);
    // Whatever keeps it from an orderly end, the last counts are told.
    const failed = (error: unknown) => log.error(`the delivery did not end in order: ${faultOf(error).message}`);
    void delivery
      .stop(message.limitMs)
      .catch(failed)
      .then(() => {
        say({ kind: "stopped", taken, stats: delivery.stats() });
        parentPort?.close();
      });
  });
  const timer = setInterval(tell, STATS_MS);
  void delivery.failure.then((error) => say({ kind: "failed", fault: faultOf(error), whileOpening: false }));
  await delivery.open();
  tell();
  say({ kind: "opened" });
}

run(workerData as CollectorConfiguration).catch((error) => {
  parentPort?.postMessage({ kind: "failed", fault: faultOf(error), whileOpening: true } satisfies FromThread);
  parentPort?.close();
});
