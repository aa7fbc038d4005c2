import type { PackedBatch } from "../outbox/batch.ts";
import type { Counts } from "../outbox/outbox.ts";
import { OperationalError } from "../runtime/errors.ts";
import type { DeliveryStats } from "./delivery.ts";

/** What the thread of a collector says to that of its delivery. */
export type ToThread =
  /** Records, and what of those before them there was no room for. */
  | { readonly kind: "batch"; readonly batch: PackedBatch; readonly lost: Counts }
  | { readonly kind: "level"; readonly level: string }
  | { readonly kind: "stop"; readonly limitMs: number };

/** What that says. `taken` counts the batches that are in `stats`. */
export type FromThread =
  | { readonly kind: "opened" }
  | { readonly kind: "stats"; readonly taken: number; readonly stats: DeliveryStats }
  | { readonly kind: "failed"; readonly fault: Fault; readonly whileOpening: boolean }
  | { readonly kind: "stopped"; readonly taken: number; readonly stats: DeliveryStats };

/** An error on its way to another thread, which loses the class of any other object. */
export interface Fault {
  readonly code: string | null;
  readonly message: string;
  readonly retriable: boolean;
  readonly exitStatus: number;
}

/** The fault that an error is. */
export function faultOf(error: unknown): Fault {
  if (error instanceof OperationalError) {
    const { code, message, retriable, exitStatus } = error;
    return { code, message, retriable, exitStatus };
  }
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { code: null, message, retriable: false, exitStatus: 2 };
}

/** The error that a fault was: an `OperationalError`, or our own bug. */
export function errorOf({ code, message, ...rest }: Fault): Error {
  return code === null ? new Error(message) : new OperationalError(code, message, rest);
}
