import { randomUUID } from "node:crypto";
import type { Format } from "../../schema/encoding.ts";
import { GAP_DATASET, type GapRecord } from "../../schema/gap-record.ts";
import type { Counts, Outbox } from "../outbox/outbox.ts";
import { outboxRecord } from "./outbox-record.ts";

/** Who tells of gaps, and how it is written. */
export interface GapSettings {
  readonly observer: { readonly name: string; readonly version: string };
  readonly format: Format;
}

const INTERVAL_MS = 10_000;

/** Tells what an outbox shed, in records that it appends to the same outbox, every ten seconds while there is something. */
export class GapTeller {
  private readonly outbox: Outbox;
  private readonly settings: GapSettings;
  private readonly timer: NodeJS.Timeout;

  constructor(outbox: Outbox, settings: GapSettings) {
    this.outbox = outbox;
    this.settings = settings;
    this.timer = setInterval(() => this.tell(), INTERVAL_MS);
    this.timer.unref();
  }

  /** Tells what has not been told yet. */
  tell(): void {
    const nowMs = Date.now();
    const { shed, sinceMs } = this.outbox.untold();
    const startMs = Math.min(sinceMs, nowMs);
    if (Object.keys(shed).length > 0) {
      this.append(shed, startMs, nowMs);
      // There was no room even for that: it is told the next time.
      if (gaps(this.outbox.untold().shed) > gaps(shed)) return;
    }
    this.outbox.told(shed, nowMs);
  }

  stop(): void {
    clearInterval(this.timer);
  }

  private append(shed: Counts, startMs: number, nowMs: number): void {
    const record: GapRecord = {
      "@timestamp": new Date(nowMs).toISOString(),
      event: {
        id: randomUUID(),
        kind: "metric",
        category: ["network"],
        type: ["info"],
        dataset: GAP_DATASET,
        action: "records-shed",
        start: new Date(startMs).toISOString(),
        end: new Date(nowMs).toISOString(),
        duration: (nowMs - startMs) * 1_000_000,
      },
      observer: { type: "rejoin", ...this.settings.observer },
      rejoin: {
        gap: {
          records: Object.values(shed).reduce((sum, count) => sum + count, 0),
          shed: Object.entries(shed).map(([label, records]) => {
            const [reason = "", recordClass = ""] = label.split("/");
            return { reason, class: recordClass, records };
          }),
        },
      },
    };
    this.outbox.append([outboxRecord(record, this.settings.format)]);
  }
}

/** Gap records among what was shed. */
function gaps(shed: Counts): number {
  return Object.entries(shed).reduce((sum, [label, count]) => (label.endsWith("/gap") ? sum + count : sum), 0);
}
