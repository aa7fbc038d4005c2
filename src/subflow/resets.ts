import type { PacketVector } from "../vector.ts";
import { ACK } from "../wire/tcp.ts";
import { isSegmentSound } from "../wire/transport-checksum.ts";
import { acknowledgedAway } from "./plausibility.ts";
import * as events from "./subflow-events.ts";
import * as table from "./subflow-row.ts";
import type { SubflowTable } from "./subflow-table.ts";

/** Octets that a host may have sent of which nothing was seen, or its peer not acknowledged, when it sends a RST. */
const FLIGHT = 2 ** 20;

/** Takes a plausible RST of a known subflow: RESET where it is certain and the first, else no event's bit. */
export function followReset(
  subflows: SubflowTable,
  vector: PacketVector,
  i: number,
  subflow: number,
  higher: number,
): number {
  const at = subflow * table.HOT_WORDS + table.STATE;
  if (subflows.hot[at]! & table.STATE_RESET) return 0;
  if (!isCertain(subflows, vector, i, subflow, higher)) {
    subflows.seldom.noteImplausible(subflow, subflows.resets.add(subflow, higher, vector.seq[i]!));
    return 0;
  }
  subflows.seldom.noteImplausible(subflow, subflows.resets.settle(subflow, higher));
  subflows.hot[at]! |= table.STATE_RESET | (higher ? table.STATE_RESET_BY_HIGHER : 0);
  return events.RESET;
}

/** Notes of a SYN that its copy had a right checksum: this agent's are taken when interfaces have finished them. */
export function noteSummed(subflows: SubflowTable, vector: PacketVector, i: number, direction: number): void {
  if (subflows.summedBy[direction] === 0 && isSegmentSound(vector, i))
    subflows.summedBy[direction] = vector.agent[i]! + 1;
}

/**
 * Whether the receiver of a RST drops it for its checksum (RFC 9293 §3.1): somebody made it up to be seen. Only in the
 * direction of a SYN whose checksum was right, by the same agent: others copy before an interface has finished checksums.
 */
export function isBroken(subflows: SubflowTable, vector: PacketVector, i: number, direction: number): boolean {
  return subflows.summedBy[direction] === vector.agent[i]! + 1 && isSegmentSound(vector, i) === false;
}

/** Whose RST ended a subflow, a doubtful one included: the lower (0) or higher (1) endpoint's, null where none did. */
export function resetBy(subflows: SubflowTable, subflow: number): 0 | 1 | null {
  const state = subflows.hot[subflow * table.HOT_WORDS + table.STATE]!;
  if (state & table.STATE_RESET) return state & table.STATE_RESET_BY_HIGHER ? 1 : 0;
  return subflows.resets.by(subflow);
}

/**
 * Whether a RST is one that its receiver takes: exactly where it expects one (RFC 5961 §3.2), or behind a FIN that was not
 * seen. A host that has lost its state sends it there, because it repeats what was acknowledged. One that resets by itself
 * sends it behind all that it sent, which may not have been seen, and acknowledges what it got; nobody guesses both. None
 * is, once somebody made up other segments: these may have moved what seems to be expected.
 */
function isCertain(subflows: SubflowTable, vector: PacketVector, i: number, subflow: number, higher: number): boolean {
  if (subflows.seldom.implausible.has(subflow)) return false;
  const { hot } = subflows;
  const at = table.direction(subflow, higher);
  const isKnown = (hot[subflow * table.HOT_WORDS + table.STATE]! & (table.STATE_ISN << higher)) !== 0;
  const ahead = (vector.seq[i]! - hot[at + table.ISN]! - hot[at + table.NEXT_SSN]!) | 0;
  if (isKnown && (ahead === 0 || ahead === 1)) return true;
  if ((vector.flags[i]! & ACK) === 0 || (isKnown && Math.abs(ahead) > FLIGHT)) return false;
  const away = acknowledgedAway(hot, vector, i, subflow, 1 - higher);
  return away >= 0 && away <= FLIGHT;
}
