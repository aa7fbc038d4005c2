import { digestKey } from "../session/keys.ts";
import type { PacketVector } from "../vector.ts";
import { decodeMptcp, JOIN_SYN_LENGTH, MP_CAPABLE, MP_JOIN, MptcpOptions } from "../wire/mptcp.ts";
import { ACK, SYN } from "../wire/tcp.ts";

/** Sessions whose two tokens are remembered, so that a join of either side's finds its session; the oldest is forgotten. */
const REMEMBERED_SESSIONS = 65_536;

/** What a packet says of its session, where it says no token. */
export const NO_TOKEN = -1;
/** It opens a session that has no token yet. */
export const OPENS_SESSION = -2;

/**
 * Finds out which session a flow belongs to from the packets that tell: a session is named by its responder's token (RFC
 * 8684 §3.2), which every agent on any of its paths can know. The SYN/ACK has the responder's key, as has the third ACK, and
 * a join of the initiator's the token itself. A join of the responder's has the initiator's token: it finds the session
 * where this agent saw the third ACK that has both keys, and else names it by that.
 */
export class SessionTokens {
  private readonly options = new MptcpOptions();
  private readonly key = new Uint32Array(2);
  /** Initiator's token to responder's. */
  private readonly responders = new Map<number, number>();

  /** The token that names the session of packet i, which has an MPTCP option at `mptcpAt`; NO_TOKEN or OPENS_SESSION. */
  read(vector: PacketVector, i: number): number {
    const { view } = vector;
    const { options } = this;
    const at = vector.mptcpAt[i] ?? 0;
    if (at === 0) return NO_TOKEN;
    decodeMptcp(view, at, vector.optionsEnd[i] ?? 0, vector.hasCutOptions(i), options);
    const flags = (vector.flags[i] ?? 0) & (SYN | ACK);
    if ((options.seen & (1 << MP_JOIN)) !== 0) {
      if (flags !== SYN || options.joinLength !== JOIN_SYN_LENGTH) return NO_TOKEN;
      return this.responders.get(options.joinToken) ?? options.joinToken;
    }
    if ((options.seen & (1 << MP_CAPABLE)) === 0) return NO_TOKEN;
    if (flags === SYN) return OPENS_SESSION;
    const { senderKeyAt, receiverKeyAt, capableVersion } = options;
    if (flags === (SYN | ACK)) return senderKeyAt === 0 ? NO_TOKEN : this.tokenOf(view, senderKeyAt, capableVersion);
    if (receiverKeyAt === 0) return NO_TOKEN;
    const responder = this.tokenOf(view, receiverKeyAt, capableVersion);
    this.remember(this.tokenOf(view, senderKeyAt, capableVersion), responder);
    return responder;
  }

  private tokenOf(view: DataView, at: number, version: number): number {
    this.key[0] = view.getUint32(at);
    this.key[1] = view.getUint32(at + 4);
    const { token } = digestKey(this.key, 0, version);
    this.key.fill(0);
    return token;
  }

  private remember(initiator: number, responder: number): void {
    this.responders.delete(initiator);
    if (this.responders.size >= REMEMBERED_SESSIONS) {
      for (const oldest of this.responders.keys()) {
        this.responders.delete(oldest);
        break;
      }
    }
    this.responders.set(initiator, responder);
  }
}
