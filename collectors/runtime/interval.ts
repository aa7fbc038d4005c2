/** Work that comes again and again, at a pace that may change while it does. */
export class Interval {
  private readonly work: () => void;
  private timer: NodeJS.Timeout | undefined;

  constructor(work: () => void, everyMs: number) {
    this.work = work;
    this.every(everyMs);
  }

  /** The next turn comes after `everyMs` from now, and so do those behind it. */
  every(everyMs: number): void {
    clearInterval(this.timer);
    this.timer = setInterval(this.work, everyMs);
  }

  stop(): void {
    clearInterval(this.timer);
  }
}
