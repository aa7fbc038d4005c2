import { pino } from "pino";
import { inMemory, type LocalDelivery } from "../../collectors/delivery/local-delivery.ts";
import type { MemoryOutboxBounds } from "../../collectors/outbox/memory.ts";
import type { Sink } from "../../collectors/sink/sink.ts";

/** A delivery to a sink on this thread, through memory. */
export function deliveryTo(sink: Sink, bounds?: MemoryOutboxBounds): LocalDelivery {
  const gap = { observer: { name: "test", version: "0" }, format: "json" } as const;
  return inMemory(sink, gap, pino({ level: "silent" }), bounds);
}
