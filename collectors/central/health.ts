import type { TableUse } from "../../src/pipeline.ts";
import type { OutboxStats } from "../outbox/outbox.ts";
import type { Health } from "../runtime/admin-server.ts";

/** A collector is not ready when more than this part of its outbox is taken: it would soon shed records. */
const MARK = 0.8;

/** What a collector's outbox takes at most; records on the disk have no bound of their own: infinity. */
export interface OutboxRoom {
  readonly maxRecords: number;
  readonly maxOctets: number;
}

/** How full an outbox is, as of a table; without a bound on records, as on the disk, by octets alone. */
export function outboxTables(
  { stored, storedOctets }: Pick<OutboxStats, "stored" | "storedOctets">,
  { maxRecords, maxOctets }: OutboxRoom,
): Record<string, TableUse> {
  return {
    ...(Number.isFinite(maxRecords) ? { "outbox-records": { used: stored, bound: maxRecords } } : {}),
    "outbox-octets": { used: storedOctets, bound: maxOctets },
  };
}

/** What a collector is doing: it opens sockets and finds its records a place, then receives, then drains. */
export type Phase = "starting" | "receiving" | "draining";

/** Whether a collector has started. */
export function startedHealth(phase: Phase): Health {
  return phase === "starting"
    ? { well: false, reasons: ["sockets are being opened, or records have no place yet"] }
    : { well: true, reasons: ["sockets are open, and records have a place"] };
}

/** Whether copies should be sent to a collector: its sockets are open, and its outbox has room. */
export function readyHealth(phase: Phase, records: OutboxStats | null, room: OutboxRoom): Health {
  if (phase === "starting" || records === null) return startedHealth("starting");
  if (phase === "draining") return { well: false, reasons: ["it drains, and takes no more copies"] };
  const share = Math.max(records.stored / room.maxRecords, records.storedOctets / room.maxOctets);
  const outbox = `${Math.floor(share * 100)} % of the outbox is taken`;
  if (share <= MARK) return { well: true, reasons: ["sockets are open", outbox] };
  return { well: false, reasons: [`${outbox}, more than ${MARK * 100} %: the sink is away or slow`] };
}
