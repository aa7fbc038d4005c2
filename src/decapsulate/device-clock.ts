import type { DeliveryFields } from "../wire/delivery-fields.ts";

/**
 * A packet that is later than this by its stamp says more of the device's clock, which was set or began anew, than of the way
 * that its copy took.
 */
export const MAX_LATE_MICROS = 1_000_000;
/** How much slower than ours a device's clock may run before its packets seem to come ever later. */
const DRIFT = 1e-4;
/** Stamps that go as arrivals do have shown it after so long. */
const PROOF_MICROS = 1_000_000;
/** Where every copy of so long is late, it is the clock that changed. */
const WATCH_MICROS = 5_000_000;
/** What is late by less may have waited. */
const LATE_MICROS = 2000;

/** Windows that the clock was watched for since it was set: the first has the offset, the second shows that it holds. */
const UNKNOWN = 0;
const MEASURED = 1;
const PROVEN = 2;

/**
 * Takes out of arrival times what copies waited on their way. A device's clock need not agree with ours: the copy that took
 * least time shows by how much the two differ, and how much later another one is shows how long it waited. Until stamps
 * have gone as arrivals do for a second, and where they do not, the time of arrival stands.
 */
export class DeviceClock {
  /** Arrival less stamp of the copy that took least; NaN while none came. */
  private behind = Number.NaN;
  private lastMicros = 0;
  /** What is known of the clock. */
  private state = UNKNOWN;
  /** When this window began, and the same as `behind` of its copies alone. */
  private beganMicros = 0;
  private least = 0;

  /**
   * When a packet with the stamp in `fields` was copied, on our clock: `arrivalMicros`, or before it, but never by more than a
   * second. A stamp is the beginning of its unit: within one, nobody knows whether the copy waited, and it did not.
   */
  copied(arrivalMicros: number, fields: DeliveryFields): number {
    if (arrivalMicros - this.beganMicros >= (this.state === PROVEN ? WATCH_MICROS : PROOF_MICROS)) {
      this.judge();
      this.begin(arrivalMicros);
    }
    const behind = arrivalMicros - fields.stampMicros;
    const apart = behind - this.behind;
    let late = apart - Math.round(apart / fields.stampPeriodMicros) * fields.stampPeriodMicros;
    if (!(Math.abs(late) <= MAX_LATE_MICROS)) {
      this.behind = behind;
      this.state = UNKNOWN;
      this.begin(arrivalMicros);
      late = 0;
    }
    const passed = Math.max(0, arrivalMicros - this.lastMicros);
    this.lastMicros = arrivalMicros;
    // Less than nothing: it took less than any before it.
    const drift = late < 0 ? late : Math.min(late, passed * DRIFT);
    const waited = Math.max(0, late - drift - fields.stampUnitMicros);
    this.least = Math.min(this.least, this.behind + late);
    this.behind += drift;
    return this.state === PROVEN ? arrivalMicros - waited : arrivalMicros;
  }

  /** At a window's end: whether its quickest copy came about as quickly as those before it. */
  private judge(): void {
    const isLate = this.least - this.behind > LATE_MICROS;
    if (isLate) this.behind = this.least;
    this.state = isLate || this.state === UNKNOWN ? MEASURED : PROVEN;
  }

  private begin(arrivalMicros: number): void {
    this.beganMicros = arrivalMicros;
    this.least = Number.POSITIVE_INFINITY;
  }
}
