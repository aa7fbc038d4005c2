import type { Simulation } from "../support/simulator/simulation.ts";
import type { Copy } from "../support/simulator/watch.ts";
import { MAPPED, type Watched } from "../support/simulator/watch.ts";

/** Octets of a stream that a detector is to find. */
export interface Signature {
  readonly id: number;
  readonly session: number;
  readonly side: 0 | 1;
  /** Its place in the stream. */
  readonly at: number;
  readonly octets: Uint8Array;
  /** Its two halves came over two subflows. */
  readonly isAcross: boolean;
}

/** Random octets of this number stand nowhere else. */
const LENGTH = 24;
const HALF = LENGTH / 2;
/** A detector tells so many alerts of a packet and no more (Suricata: 15), and looks at 32 KiB at once. */
const STRIDE = 2_500;
const FIRST_ID = 1_000;

/** Which subflow brought each octet of one side's stream first; -1: none. */
function bringers(copies: readonly Copy[], octets: number): Int8Array {
  const by = new Int8Array(octets).fill(-1);
  for (const { packet } of copies) {
    const { offset, subflow } = packet.meaning;
    if (offset < 0 || subflow < 0) continue;
    for (let n = offset; n < Math.min(offset + packet.payload.length, octets); n++) if (by[n] === -1) by[n] = subflow;
  }
  return by;
}

/** Where from `from` on the subflow changes first, if it does within a stride. */
function change(by: Int8Array, from: number): number | undefined {
  const last = Math.min(from + STRIDE, by.length) - HALF;
  for (let n = from + HALF; n < last; n++) if (by[n] !== by[n - 1]) return n;
  return undefined;
}

/**
 * Signatures of all streams of a simulation: the first octets, and of each stride some, where the subflow changes if it does;
 * only of what agents saw with its mapping.
 */
export function signaturesOf({ sessions }: Simulation, { copies, sights }: Watched): Signature[] {
  const signatures: Signature[] = [];
  for (const [session, { streams }] of sessions.entries())
    for (const side of [0, 1] as const) {
      const stream = streams[side];
      const own = copies.filter(({ packet: { meaning } }) => meaning.session === session && meaning.side === side);
      const by = bringers(own, stream.length);
      const add = (at: number, isAcross: boolean): void => {
        if (at + LENGTH > stream.length) return;
        const seen = sights[session]?.octets[side].subarray(at, at + LENGTH) ?? [];
        if (seen.some((grade) => grade < MAPPED)) return;
        const octets = stream.subarray(at, at + LENGTH);
        signatures.push({ id: FIRST_ID + signatures.length, session, side, at, octets, isAcross });
      };
      add(0, false);
      for (let from = 0; from < stream.length; from += STRIDE) {
        const changed = change(by, from + LENGTH);
        if (changed === undefined) add(from + STRIDE - LENGTH, false);
        else add(changed - HALF, true);
      }
    }
  return signatures;
}
