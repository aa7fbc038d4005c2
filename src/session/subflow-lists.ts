import { COLD_WORDS, NEXT_SUBFLOW } from "../subflow/subflow-row.ts";
import { FIRST_SUBFLOW, LAST_SUBFLOW, SESSION_WORDS } from "./session-table.ts";

/** What `SubflowLists.firstThat` can look for: two things of which a subflow that is none will never be one. */
export const PENDING = 0;
export const UNPROVEN = 1;
const SOUGHT = 2;

/** In `sought`: none of the list is one. */
const NONE = -1;

/**
 * The subflows of each session in the order in which they were attached: a doubly linked list, with its ends in the
 * session's words, and each subflow's next in its cold ones. Entries are a number + 1, 0 for none. Whoever knows a token
 * can have a full session give up a subflow with each SYN, so neither to take one out nor to find it is a walk over all.
 */
export class SubflowLists {
  private readonly words: Uint32Array;
  private readonly cold: Uint32Array;
  /** By subflow: the one before it. */
  private readonly previous: Uint32Array;
  /** By session, SOUGHT each: the first that may be one; 0 for the first of all. */
  private readonly sought: Int32Array;

  /**
   * @param words of the session table
   * @param cold of the subflow table
   */
  constructor(words: Uint32Array, cold: Uint32Array) {
    this.words = words;
    this.cold = cold;
    this.previous = new Uint32Array(cold.length / COLD_WORDS);
    this.sought = new Int32Array((words.length / SESSION_WORDS) * SOUGHT);
  }

  /** Adds a subflow that is in no list, as the last. */
  append(session: number, subflow: number): void {
    const { words, cold, sought } = this;
    const base = session * SESSION_WORDS;
    const last = words[base + LAST_SUBFLOW]!;
    if (last === 0) words[base + FIRST_SUBFLOW] = subflow + 1;
    else cold[(last - 1) * COLD_WORDS + NEXT_SUBFLOW] = subflow + 1;
    this.previous[subflow] = last;
    cold[subflow * COLD_WORDS + NEXT_SUBFLOW] = 0;
    words[base + LAST_SUBFLOW] = subflow + 1;
    for (let at = session * SOUGHT; at < (session + 1) * SOUGHT; at++)
      if (sought[at] === NONE) sought[at] = subflow + 1;
  }

  /** Takes a subflow out of the list of its session. */
  remove(session: number, subflow: number): void {
    const { words, cold, previous, sought } = this;
    const base = session * SESSION_WORDS;
    const before = previous[subflow]!;
    const next = cold[subflow * COLD_WORDS + NEXT_SUBFLOW]!;
    if (before === 0) words[base + FIRST_SUBFLOW] = next;
    else cold[(before - 1) * COLD_WORDS + NEXT_SUBFLOW] = next;
    if (next === 0) words[base + LAST_SUBFLOW] = before;
    else previous[next - 1] = before;
    for (let at = session * SOUGHT; at < (session + 1) * SOUGHT; at++)
      if (sought[at] === subflow + 1) sought[at] = next || NONE;
  }

  /** Forgets the list of a session that ends. */
  forget(session: number): void {
    const base = session * SESSION_WORDS;
    this.words[base + FIRST_SUBFLOW] = 0;
    this.words[base + LAST_SUBFLOW] = 0;
    this.sought.fill(0, session * SOUGHT, (session + 1) * SOUGHT);
  }

  /** The subflow of a session that was attached first, -1 when it has none. */
  firstOf(session: number): number {
    return this.words[session * SESSION_WORDS + FIRST_SUBFLOW]! - 1;
  }

  /** The subflow of the same session that was attached next, -1 when there is none. */
  nextOf(subflow: number): number {
    return this.cold[subflow * COLD_WORDS + NEXT_SUBFLOW]! - 1;
  }

  /** The subflows of a session in the order they were attached. */
  of(session: number): number[] {
    const found: number[] = [];
    for (let one = this.firstOf(session); one >= 0; one = this.nextOf(one)) found.push(one);
    return found;
  }

  /**
   * The first subflow of a session that `is` PENDING or UNPROVEN, -1 when none is. Those before it are passed for good, so
   * that each is asked once, however often this is called.
   */
  firstThat(session: number, what: typeof PENDING | typeof UNPROVEN, is: (subflow: number) => boolean): number {
    const at = session * SOUGHT + what;
    const from = this.sought[at]!;
    let one = from === NONE ? -1 : from === 0 ? this.firstOf(session) : from - 1;
    while (one >= 0 && !is(one)) one = this.nextOf(one);
    this.sought[at] = one < 0 ? NONE : one + 1;
    return one;
  }
}
