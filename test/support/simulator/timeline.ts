interface Moment {
  readonly micros: number;
  readonly order: number;
  readonly action: () => void;
}

const isBefore = (a: Moment, b: Moment): boolean => a.micros < b.micros || (a.micros === b.micros && a.order < b.order);

/** What happens when, in simulated microseconds since 1970; at one moment in the order in which it was asked for. */
export class Timeline {
  now: number;
  private readonly heap: Moment[] = [];
  private order = 0;

  constructor(beginMicros: number) {
    this.now = beginMicros;
  }

  /** Has `action` happen so many microseconds from now. */
  after(micros: number, action: () => void): void {
    const { heap } = this;
    const moment = { micros: this.now + Math.max(0, Math.round(micros)), order: this.order++, action };
    let at = heap.length;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || !isBefore(moment, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = moment;
  }

  /** Lets time pass until nothing is left to happen, or until `untilMicros`. */
  run(untilMicros: number): void {
    for (let next = this.take(); next !== undefined && next.micros <= untilMicros; next = this.take()) {
      this.now = next.micros;
      next.action();
    }
  }

  private take(): Moment | undefined {
    const { heap } = this;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let at = 0;
    for (let child = 1; child < heap.length; child = 2 * at + 1) {
      const [left, right] = [heap[child], heap[child + 1]];
      if (left === undefined) break;
      const isRight = right !== undefined && isBefore(right, left);
      const smaller = isRight ? right : left;
      if (!isBefore(smaller, last)) break;
      heap[at] = smaller;
      at = isRight ? child + 1 : child;
    }
    heap[at] = last;
    return first;
  }
}
