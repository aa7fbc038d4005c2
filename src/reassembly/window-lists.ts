/** Levels of the lists; each has a quarter of the windows of the one below, so that these serve 4^7 windows and more. */
const LEVELS = 8;

/**
 * Which windows each stream has, in the order of their numbers. Skip lists (W. Pugh, "Skip lists: a probabilistic
 * alternative to balanced trees", 1990): a window is found among thousands by some twenty looks, wherever it lies. Behind an
 * octet that is missing a stream has as many as there is memory for, and packets may come for any of them in turn.
 *
 * A stream's first window stands in for the head of its list, on all levels: so a stream costs two words, however many
 * streams there can be.
 */
export class WindowLists {
  /**
   * The window of each stream that its owner used last + 1; 0 where it has none. An owner who looks here first need not
   * search.
   */
  readonly recent: Uint32Array;
  /** The first window of each stream + 1. */
  private readonly firsts: Uint32Array;
  /** Of each window, level by level, the next one of its stream + 1; above its height that of a first one alone counts. */
  private readonly next: Uint32Array;
  private readonly heights: Uint8Array;
  private readonly numbers: Float64Array;
  /** After `find`, level by level, the last window before the one that was looked for; none where `isBeforeFirst`. */
  private readonly path = new Uint32Array(LEVELS);
  private isBeforeFirst = true;
  private random = 0x9e3779b9 | 0;

  /**
   * @param streams how many streams there can be; they are numbered from 0
   * @param numbers room for which window of its stream each window is
   */
  constructor(streams: number, numbers: Float64Array) {
    this.numbers = numbers;
    this.recent = new Uint32Array(streams);
    this.firsts = new Uint32Array(streams);
    this.next = new Uint32Array(numbers.length * LEVELS);
    this.heights = new Uint8Array(numbers.length);
  }

  /** The window of a stream with the lowest number; -1 where it has none. */
  first(stream: number): number {
    return this.firsts[stream]! - 1;
  }

  /** Window `number` of a stream; -1 where it has none. */
  find(stream: number, number: number): number {
    const { next, numbers, path } = this;
    let window = this.firsts[stream]! - 1;
    this.isBeforeFirst = window < 0 || numbers[window]! > number;
    if (this.isBeforeFirst) return -1;
    for (let level = LEVELS - 1; level >= 0; level--) {
      let beyond = next[window * LEVELS + level]!;
      while (beyond !== 0 && numbers[beyond - 1]! <= number) {
        window = beyond - 1;
        beyond = next[window * LEVELS + level]!;
      }
      path[level] = window;
    }
    return numbers[window] === number ? window : -1;
  }

  /** Gives a stream window `number`, directly after `find` has found that it has none. */
  insert(stream: number, number: number, window: number): void {
    const { next, path } = this;
    const height = this.draw();
    this.numbers[window] = number;
    this.heights[window] = height;
    if (this.isBeforeFirst) {
      this.insertFirst(stream, window);
      return;
    }
    for (let level = 0; level < height; level++) {
      const before = path[level]! * LEVELS + level;
      next[window * LEVELS + level] = next[before]!;
      next[before] = window + 1;
    }
  }

  /** Takes the first window from a stream that has one. */
  removeFirst(stream: number): void {
    const { next, firsts, recent } = this;
    const first = firsts[stream]!;
    const base = (first - 1) * LEVELS;
    const second = next[base]!;
    firsts[stream] = second;
    if (recent[stream] === first) recent[stream] = second;
    if (second === 0) return;
    for (let level = this.heights[second - 1]!; level < LEVELS; level++) {
      next[(second - 1) * LEVELS + level] = next[base + level]!;
    }
  }

  /** The one that was first is as high as was drawn for it from now on: of all high ones a search would pass each. */
  private insertFirst(stream: number, window: number): void {
    const { next, firsts } = this;
    const second = firsts[stream]!;
    firsts[stream] = window + 1;
    const height = second === 0 ? 0 : this.heights[second - 1]!;
    for (let level = 0; level < LEVELS; level++) {
      const beyond = second === 0 ? 0 : next[(second - 1) * LEVELS + level]!;
      next[window * LEVELS + level] = level < height ? second : beyond;
    }
  }

  /**
   * How many levels a new window is on: one more for each time that a number (G. Marsaglia, "Xorshift RNGs", 2003) has two
   * more zeros in front. Who knows all windows that any stream ever had could foresee it, and nobody else slow a search.
   */
  private draw(): number {
    let { random } = this;
    random ^= random << 13;
    random ^= random >>> 17;
    random ^= random << 5;
    this.random = random;
    return 1 + Math.min(LEVELS - 1, Math.clz32(random) >>> 1);
  }
}
