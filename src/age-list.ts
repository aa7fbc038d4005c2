/**
 * Some of the numbers from 0 to `capacity` - 1 in the order in which they were added: who is the oldest, without a search.
 * A doubly linked list in typed arrays; each entry is a number + 1, 0 for none.
 */
export class AgeList {
  length = 0;
  private readonly older: Int32Array;
  private readonly younger: Int32Array;
  private first = 0;
  private last = 0;

  constructor(capacity: number) {
    this.older = new Int32Array(capacity);
    this.younger = new Int32Array(capacity);
  }

  /** The number that was added first, -1 when there is none. */
  get oldest(): number {
    return this.first - 1;
  }

  /** Adds a number as the youngest; one that is there becomes it. */
  add(number: number): void {
    this.remove(number);
    this.older[number] = this.last;
    this.younger[number] = 0;
    if (this.last === 0) this.first = number + 1;
    else this.younger[this.last - 1] = number + 1;
    this.last = number + 1;
    this.length++;
  }

  /** Takes a number out, if it is there. */
  remove(number: number): void {
    const older = this.older[number]!;
    const younger = this.younger[number]!;
    if (older === 0 && this.first !== number + 1) return;
    if (older === 0) this.first = younger;
    else this.younger[older - 1] = younger;
    if (younger === 0) this.last = older;
    else this.older[younger - 1] = older;
    this.older[number] = 0;
    this.younger[number] = 0;
    this.length--;
  }
}
