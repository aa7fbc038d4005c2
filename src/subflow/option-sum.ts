import type { PacketVector } from "../vector.ts";

/** The sum of a packet without an MPTCP option. */
export const NO_OPTION = 0;
/** The sum of a packet that was cut before the end of its options. Every other sum is greater. */
export const OPTION_CUT = 1;

/**
 * A sum of 16 bits of the options of packet i from the first MPTCP one on. Options hold keys: nothing else of them is
 * remembered for a second copy.
 */
export function optionSum(vector: PacketVector, i: number): number {
  const end = vector.optionsEnd[i]!;
  if (end !== vector.payloadAt[i]) return OPTION_CUT;
  const at = vector.mptcpAt[i]!;
  if (at === 0) return NO_OPTION;
  const { view } = vector;
  let sum = 0;
  let next = at;
  // Mixed word by word: in a sum that is linear, changes of two words can make up for each other.
  for (; next + 4 <= end; next += 4) {
    sum = Math.imul(sum ^ (sum >>> 13) ^ view.getUint32(next), 0x27d4eb2f);
  }
  // An option may begin at any octet: up to three are left then.
  for (; next < end; next++) sum = Math.imul(sum ^ (sum >>> 13) ^ view.getUint8(next), 0x27d4eb2f);
  return Math.max((sum ^ (sum >>> 16)) & 0xffff, OPTION_CUT + 1);
}
