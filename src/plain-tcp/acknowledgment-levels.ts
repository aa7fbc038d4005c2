/** Steps of a stream, and of all, that are kept; beyond, octets are taken to acknowledge no more than those before them. */
const MAX_STEPS = 256;
const MAX_ALL_STEPS = 262_144;

/** From this offset on so much of the other side's stream was acknowledged. */
interface Step {
  readonly offset: number;
  readonly level: number;
}

/**
 * How much of the other side's stream was acknowledged when an octet of a stream was sent: in steps that rise with the offset,
 * for who sent an octet later had not acknowledged less.
 */
export class AcknowledgmentLevels {
  /** Steps that were not kept. */
  shed = 0;
  /** By stream; both numbers rise. */
  private readonly steps = new Map<number, Step[]>();
  private count = 0;

  /** Octets of a stream from `offset` on were sent with `level` octets of the other one acknowledged, or more. */
  note(stream: number, offset: number, level: number): void {
    const steps = this.steps.get(stream) ?? [];
    const at = steps.findLastIndex((step) => step.offset <= offset);
    const known = steps[at];
    if (known !== undefined && known.level >= level) return;
    const beyond = steps.findIndex((step, n) => n > at && step.level > level);
    const from = known?.offset === offset ? at : at + 1;
    const replaced = (beyond < 0 ? steps.length : beyond) - from;
    if (replaced === 0 && (steps.length >= MAX_STEPS || this.count >= MAX_ALL_STEPS)) {
      this.shed++;
      return;
    }
    if (steps.length === 0) this.steps.set(stream, steps);
    steps.splice(from, replaced, { offset, level });
    this.count += 1 - replaced;
  }

  /** The level of the octet at `offset`, and where the next higher one begins: Infinity where none does. */
  at(stream: number, offset: number): { level: number; until: number } {
    const steps = this.steps.get(stream) ?? [];
    const at = steps.findLastIndex((step) => step.offset <= offset);
    return { level: steps[at]?.level ?? 0, until: steps[at + 1]?.offset ?? Infinity };
  }

  /** Octets before `offset` are not asked for any more. */
  forgetBefore(stream: number, offset: number): void {
    const steps = this.steps.get(stream) ?? [];
    const at = steps.findLastIndex((step) => step.offset <= offset);
    if (at > 0) this.count -= steps.splice(0, at).length;
  }

  /** Forgets a stream. */
  forget(stream: number): void {
    this.count -= this.steps.get(stream)?.length ?? 0;
    this.steps.delete(stream);
  }
}
