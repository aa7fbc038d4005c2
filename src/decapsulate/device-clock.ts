import type { DeliveryFields } from "../wire/delivery-fields.ts";

/**
 * A packet that is later than this by its stamp says more of the device's clock, which was set or began anew, than of the way
 * that its copy took.
 */
const MAX_LATE_MICROS = 1_000_000;
/** How much slower than ours a device's clock may run before its packets seem to come ever later. */
const DRIFT = 1e-4;

/**
 * Takes out of arrival times what copies waited on their way. A device's clock need not agree with ours: the copy that took
 * least time shows by how much the two differ, and how much later another one is shows how long it waited.
 */
export class DeviceClock {
  /** Arrival less stamp of the copy that took least; NaN while none came. */
  private behind = Number.NaN;
  private lastMicros = 0;

  /**
   * When a packet with the stamp in `fields` was copied, on our clock: `arrivalMicros`, or before it, but never by more than a
   * second. A stamp is the beginning of its unit: within one, nobody knows whether the copy waited, and it did not.
   */
  copied(arrivalMicros: number, fields: DeliveryFields): number {
    const behind = arrivalMicros - fields.stampMicros;
    const apart = behind - this.behind;
    let late = apart - Math.round(apart / fields.stampPeriodMicros) * fields.stampPeriodMicros;
    if (!(Math.abs(late) <= MAX_LATE_MICROS)) {
      this.behind = behind;
      late = 0;
    }
    const passed = Math.max(0, arrivalMicros - this.lastMicros);
    this.lastMicros = arrivalMicros;
    // Less than nothing: it took less than any before it.
    const drift = late < 0 ? late : Math.min(late, passed * DRIFT);
    this.behind += drift;
    return arrivalMicros - Math.max(0, late - drift - fields.stampUnitMicros);
  }
}
