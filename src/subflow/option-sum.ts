import type { PacketVector } from "../vector.ts";
import { OPTION_MPTCP, SYN } from "../wire/tcp.ts";

/** The sum of a packet without an MPTCP option. */
export const NO_OPTION = 0;
/** The sum of a packet that was cut before the end of its options. Every other sum is greater. */
export const OPTION_CUT = 1;

/** Octets summed where the IPv4 identification tells packets apart: up to the data ACK of a DSS. */
const FEW_OCTETS = 12;

/**
 * A sum of 16 bits of the MPTCP options of packet i: over all octets from the first one on where packets differ in
 * nothing else or are a handshake's, over the first few elsewhere.
 */
export function optionSum(vector: PacketVector, i: number): number {
  const end = vector.optionsEnd[i]!;
  if (end !== vector.payloadAt[i]) return OPTION_CUT;
  const at = vector.mptcpAt[i]!;
  if (at === 0) return NO_OPTION;
  const { view } = vector;
  const isWhole = vector.ipId[i] === 0 || (vector.flags[i]! & SYN) !== 0;
  const last = (isWhole ? end : Math.min(at + FEW_OCTETS, end)) - 4;
  let sum = 0;
  for (let word = at; word <= last; word += 4) sum = Math.imul(sum ^ (sum >>> 13) ^ view.getUint32(word), 0x27d4eb2f);
  return Math.max((sum ^ (sum >>> 16)) & 0xffff, OPTION_CUT + 1);
}

/** Whether the TCP options in [at, end) of one block have the MPTCP options, octet by octet, that another's have. */
export function haveSameMptcp(
  view: DataView,
  at: number,
  end: number,
  otherView: DataView,
  otherAt: number,
  otherEnd: number,
): boolean {
  let one = nextMptcp(view, at, end);
  let other = nextMptcp(otherView, otherAt, otherEnd);
  while (one < end && other < otherEnd) {
    const length = view.getUint8(one + 1);
    if (otherView.getUint8(other + 1) !== length) return false;
    for (let octet = 2; octet < length; octet++) {
      if (view.getUint8(one + octet) !== otherView.getUint8(other + octet)) return false;
    }
    one = nextMptcp(view, one + length, end);
    other = nextMptcp(otherView, other + length, otherEnd);
  }
  return one >= end && other >= otherEnd;
}

/** Where the next whole MPTCP option from `at` on begins; `end` where there is none. */
function nextMptcp(view: DataView, at: number, end: number): number {
  let i = at;
  while (i + 1 < end) {
    const kind = view.getUint8(i);
    if (kind === 0) return end;
    const length = kind === 1 ? 1 : view.getUint8(i + 1);
    if (kind !== 1 && (length < 2 || i + length > end)) return end;
    if (kind === OPTION_MPTCP) return i;
    i += length;
  }
  return end;
}
