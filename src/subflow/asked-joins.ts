import type { TableUse } from "../pipeline-contract.ts";
import type { PacketVector } from "../vector.ts";
import * as mptcp from "../wire/mptcp.ts";
import * as table from "./subflow-row.ts";

/** SYNs whose MP_JOIN is kept at a time, each until it is answered: far more than joins on used 4-tuples that wait at once. */
const MOST = 4096;

/** What the MP_JOIN of a SYN says (RFC 8684 §3.2). */
export interface AskedJoin {
  readonly token: number;
  readonly nonce: number;
  readonly addressId: number;
  readonly backup: boolean;
}

/**
 * What SYNs say that ask to join on a 4-tuple which another flow has, by that flow: it keeps it until the SYN is answered
 * (`takesOver`), and the answer repeats neither token nor nonce. Else one packet that anybody makes up beforehand would hide a
 * join. At the bound the oldest is forgotten: its join is met in the middle.
 */
export class AskedJoins {
  /** SYNs whose join was forgotten at the bound. */
  shed = 0;
  private readonly hot: Uint32Array;
  private readonly cold: Uint32Array;
  private readonly asked = new Map<number, AskedJoin>();
  private readonly options = new mptcp.MptcpOptions();

  /** @param hot the words of the subflow table, as `cold` */
  constructor(hot: Uint32Array, cold: Uint32Array) {
    this.hot = hot;
    this.cold = cold;
  }

  /** SYNs that wait for their answer. */
  get use(): TableUse {
    return { used: this.asked.size, bound: MOST };
  }

  /** Takes a SYN on the 4-tuple of this flow, if it waits for its answer; what one before it said is forgotten. */
  take(vector: PacketVector, i: number, subflow: number, higher: number): void {
    const { options } = this;
    const isWaiting = (this.hot[subflow * table.HOT_WORDS + table.STATE]! & (table.STATE_PENDING << higher)) !== 0;
    if (!isWaiting || this.cold[subflow * table.COLD_WORDS + table.PENDING_ISN] !== vector.seq[i]) return;
    this.asked.delete(subflow);
    if (vector.mptcpAt[i] === 0) return;
    mptcp.decodeMptcp(vector.view, vector.mptcpAt[i]!, vector.optionsEnd[i]!, vector.hasCutOptions(i), options);
    if ((options.seen & (1 << mptcp.MP_JOIN)) === 0 || options.joinLength !== mptcp.JOIN_SYN_LENGTH) return;
    for (const oldest of this.asked.keys()) {
      if (this.asked.size < MOST) break;
      this.asked.delete(oldest);
      this.shed++;
    }
    const { joinToken: token, joinNonce: nonce, joinAddressId: addressId, joinBackup: backup } = options;
    this.asked.set(subflow, { token, nonce, addressId, backup });
  }

  /** What the SYN said that waits for its answer on the 4-tuple of this flow, or was answered now. */
  of(subflow: number): AskedJoin | undefined {
    return this.asked.get(subflow);
  }

  /** Forgets what a SYN said on the 4-tuple of this flow. */
  forget(subflow: number): void {
    this.asked.delete(subflow);
  }
}
