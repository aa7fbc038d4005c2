import { REWRITE_KINDS, REWRITTEN_OCTETS } from "../../schema/session-vocabulary.ts";
import { type PacketVector, VECTOR_LENGTH } from "../vector.ts";
import type { FirstCopies } from "./first-copies.ts";
import { NO_OPTION, OPTION_CUT } from "./option-sum.ts";

const bit = (kind: (typeof REWRITE_KINDS)[number]): number => 1 << REWRITE_KINDS.indexOf(kind);
const OPTION_STRIPPED = bit("option-stripped");
const OPTION_ADDED = bit("option-added");
const OPTION_CHANGED = bit("option-changed");
const DSCP = bit("dscp");
const ECN = bit("ecn");
const PAYLOAD = bit("payload");

/** In `Differences.kinds`: the octets of the packet's first copy are gone, so that nobody knows whether they differ. */
export const NOT_COMPARED = 1 << 7;

const DSCP_MASK = 0xfc;
const ECN_MASK = 0x03;
/** Congestion experienced (RFC 3168 §5): any router may set it on a packet that may carry it. */
const ECN_CE = 3;

/** One place where a packet was copied, as far as copies can differ. */
export interface CopyPlace {
  agent: number;
  /** Traffic class octet of the IP header. */
  trafficClass: number;
  /** Sum of the MPTCP options (option-sum.ts). */
  sum: number;
}

/** How the packets of the vector under way differ from the first copies of the same packets, as columns. */
export class Differences {
  /** Bits, one for each of REWRITE_KINDS, and NOT_COMPARED; 0 mostly. */
  readonly kinds = new Uint8Array(VECTOR_LENGTH);
  /** Who copied the packet before it was rewritten, and who behind. */
  readonly before = new Uint16Array(VECTOR_LENGTH);
  readonly after = new Uint16Array(VECTOR_LENGTH);
  /** Traffic class octets: before << 8 | after. */
  readonly classes = new Uint16Array(VECTOR_LENGTH);
  /** Octets of payload before the first that differs. */
  readonly payloadOffset = new Uint32Array(VECTOR_LENGTH);
  /** REWRITTEN_OCTETS from there, before and then after, and how many of these there are. */
  readonly octets = new Uint8Array(VECTOR_LENGTH * 2 * REWRITTEN_OCTETS);
  readonly octetCounts = new Uint8Array(VECTOR_LENGTH * 2);

  /** Forgets the differences of the vector before. */
  clear(): void {
    this.kinds.fill(0);
  }

  /**
   * Notes how packet i, copied at `own`, differs from its copy made at `first`. `isFirstBefore`: the packet came by there
   * earlier. `copy` has found the octets of that one, or is null.
   */
  compare(
    vector: PacketVector,
    i: number,
    own: CopyPlace,
    first: CopyPlace,
    isFirstBefore: boolean,
    copy: FirstCopies | null,
  ): void {
    const before = isFirstBefore ? first : own;
    const after = isFirstBefore ? own : first;
    let kinds = optionKinds(before.sum, after.sum);
    const changed = before.trafficClass ^ after.trafficClass;
    if (changed & DSCP_MASK) kinds |= DSCP;
    const mayBeMarked = (before.trafficClass & ECN_MASK) !== 0 && (after.trafficClass & ECN_MASK) === ECN_CE;
    if (changed & ECN_MASK && !mayBeMarked) kinds |= ECN;
    if (copy === null && vector.payloadCaptured[i] !== 0) kinds |= NOT_COMPARED;
    const offset = copy === null ? -1 : payloadDifference(vector, i, copy);
    if (offset >= 0 && copy !== null) {
      kinds |= PAYLOAD;
      this.payloadOffset[i] = offset;
      const ownAt = vector.payloadAt[i]! + offset;
      const ownEnd = vector.payloadAt[i]! + vector.payloadCaptured[i]!;
      this.keepOctets(i * 2 + (isFirstBefore ? 1 : 0), vector.view, ownAt, ownEnd);
      this.keepOctets(i * 2 + (isFirstBefore ? 0 : 1), copy.view, copy.payloadAt + offset, copy.payloadEnd);
    }
    this.kinds[i] = kinds;
    this.before[i] = before.agent;
    this.after[i] = after.agent;
    this.classes[i] = (before.trafficClass << 8) | after.trafficClass;
  }

  private keepOctets(place: number, view: DataView, at: number, end: number): void {
    const count = Math.min(end - at, REWRITTEN_OCTETS);
    this.octetCounts[place] = count;
    for (let n = 0; n < count; n++) this.octets[place * REWRITTEN_OCTETS + n] = view.getUint8(at + n);
  }
}

function optionKinds(before: number, after: number): number {
  if (before === after || before === OPTION_CUT || after === OPTION_CUT) return 0;
  return after === NO_OPTION ? OPTION_STRIPPED : before === NO_OPTION ? OPTION_ADDED : OPTION_CHANGED;
}

/** How many octets of the payload of packet i are those of its first copy before one is not; -1 when all that both have are. */
export function payloadDifference(vector: PacketVector, i: number, copy: FirstCopies): number {
  const { view } = vector;
  const at = vector.payloadAt[i]!;
  const length = Math.min(vector.payloadCaptured[i]!, copy.payloadEnd - copy.payloadAt);
  let n = 0;
  while (n + 4 <= length && view.getUint32(at + n) === copy.view.getUint32(copy.payloadAt + n)) n += 4;
  while (n < length && view.getUint8(at + n) === copy.view.getUint8(copy.payloadAt + n)) n++;
  return n < length ? n : -1;
}
