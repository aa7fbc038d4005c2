import type { Logger } from "pino";
import type { Capture, TakeVector } from "../../linux/capture.ts";
import { loadLibc } from "../../linux/libc.ts";
import { TapCapture } from "../../linux/tap-capture.ts";
import { Mirror } from "./mirror.ts";
import type { MirrorPlan } from "./plan.ts";

/** Captures what rules of the kernel copy to a TAP. */
export class MirrorCapture implements Capture {
  readonly kind: string;
  private readonly tap: TapCapture;
  private readonly mirror: Mirror;

  private constructor(kind: string, tap: TapCapture, mirror: Mirror) {
    this.kind = kind;
    this.tap = tap;
    this.mirror = mirror;
  }

  /**
   * Makes the TAP and installs the rules; `turn` as of `TapCapture`. Rejects with an OperationalError when one of them cannot be
   * had.
   */
  static async open(
    plan: MirrorPlan,
    turn: () => Promise<void>,
    log: Pick<Logger, "info" | "warn">,
  ): Promise<MirrorCapture> {
    let mirror: Mirror | null = null;
    const tap = new TapCapture(await loadLibc(), plan.name, turn, (event) => {
      if (event === "gone") log.warn(`TAP ${plan.name} is gone; it is made anew`);
      else void mirror?.check();
    });
    try {
      mirror = await Mirror.install(plan, log);
      return new MirrorCapture(`${plan.by} to a TAP`, tap, mirror);
    } catch (error) {
      tap.stop();
      await tap.run(() => {});
      throw error;
    }
  }

  async run(take: TakeVector): Promise<void> {
    try {
      await this.tap.run(take);
    } finally {
      await this.mirror.remove();
    }
  }

  stop(): void {
    // What was copied before the rules went is still read.
    void this.mirror.remove().then(() => this.tap.stop());
  }

  renewFilter(): null {
    return null;
  }

  lost(): number {
    return this.tap.lost();
  }
}
