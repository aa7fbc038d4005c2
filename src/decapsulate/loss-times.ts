import { LATE_MICROS } from "../packet-clock.ts";

/** Moments kept of a stream; when there are more, those of the older half are told less finely. */
const MAX_MOMENTS = 512;

/** When copies of a stream were found to be lost: how many were, at the moments at which that changed. */
export class LossTimes {
  private readonly atMicros: number[] = [];
  /** After each moment. Falls again where a copy came late. */
  private readonly lost: number[] = [];

  /** Notes that `lost` copies are lost in all, as of now. */
  note(nowMicros: number, lost: number): void {
    const { atMicros } = this;
    if (atMicros.length === MAX_MOMENTS) this.thin();
    if ((atMicros.at(-1) ?? nowMicros) - nowMicros > LATE_MICROS) this.setBack(nowMicros);
    atMicros.push(Math.max(nowMicros, atMicros.at(-1) ?? nowMicros));
    this.lost.push(lost);
  }

  /**
   * Copies lost from one moment to another, both included; 0 where as many came late. About so many where moments are no
   * longer told apart.
   */
  between(fromMicros: number, toMicros: number): number {
    return Math.max(0, this.before(toMicros, true) - this.before(fromMicros, false));
  }

  /** Copies lost up to a moment. */
  private before(micros: number, included: boolean): number {
    const { atMicros, lost } = this;
    let low = 0;
    for (let high = atMicros.length; low < high; ) {
      const middle = (low + high) >>> 1;
      const at = atMicros[middle] ?? 0;
      if (at < micros || (included && at === micros)) low = middle + 1;
      else high = middle;
    }
    return lost[low - 1] ?? 0;
  }

  /** The clock was set back: what was lost by a time that is yet to come was lost before now. */
  private setBack(nowMicros: number): void {
    const { atMicros } = this;
    for (let i = atMicros.length - 1; i >= 0 && (atMicros[i] ?? 0) > nowMicros; i--) atMicros[i] = nowMicros;
  }

  /** Of the older half every other moment goes: what it told is told by the one before it. */
  private thin(): void {
    for (let i = MAX_MOMENTS / 2 - 1; i > 0; i -= 2) {
      this.lost[i - 1] = this.lost[i] ?? 0;
      this.atMicros.splice(i, 1);
      this.lost.splice(i, 1);
    }
  }
}
