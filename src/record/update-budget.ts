import * as table from "../session/session-table.ts";

/** Updated records of a session at once, and how long it takes to earn another. */
const BURST = 32;
const EARN_MICROS = 1_000_000;
/** A record with more subflows than these costs as much as several: it is as much longer. */
const SUBFLOWS_OF_COST = 8;
/** What all sessions may spend at once, and earn in a second of packet time. */
const ALL_BURST = 8192;
const ALL_EARNED = 2048;
/** More than any record costs. */
const MOST_COST = 256;

/**
 * How many updated records there may be, so that a packet does not make one each: a session's last record tells all. A
 * budget is kept as the packet time up to which it is spent, that of a session in its line.
 */
export class UpdateBudget {
  private allSpent = 0;

  /**
   * Takes the cost of a session's record out of its budget and that of all; false, taking nothing, when either has not as
   * much.
   */
  take({ floats, words }: Pick<table.SessionTable, "floats" | "words">, session: number, atMicros: number): boolean {
    const base = session * table.SESSION_WORDS;
    const cost = Math.ceil(words[base + table.SUBFLOWS]! / SUBFLOWS_OF_COST);
    const at = (base + table.UPDATES_SPENT) >> 1;
    const own = spend(floats[at]!, atMicros, cost, BURST, EARN_MICROS);
    const all = spend(this.allSpent, atMicros, cost, ALL_BURST, EARN_MICROS / ALL_EARNED);
    if (own < 0 || all < 0) return false;
    floats[at] = own;
    this.allSpent = all;
    return true;
  }
}

/** Up to which time a budget is spent when it gives `cost`; -1 when it cannot. */
function spend(spent: number, nowMicros: number, cost: number, burst: number, earnMicros: number): number {
  const ahead = spent - nowMicros;
  if (ahead > burst * earnMicros) {
    // Farther ahead than anything spends: packet time had leapt.
    if (ahead <= (burst + MOST_COST) * earnMicros) return -1;
    return nowMicros + cost * earnMicros;
  }
  return Math.max(spent, nowMicros) + cost * earnMicros;
}
