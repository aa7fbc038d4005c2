import type { PacketVector } from "../vector.ts";
import * as mptcp from "../wire/mptcp.ts";
import * as tcp from "../wire/tcp.ts";
import { narrowBySyn, narrowIsn } from "./isn-search.ts";
import { isKnownSyn, MAX_SYN_OCTETS } from "./plausibility.ts";
import * as table from "./subflow-row.ts";
import type { SubflowTable } from "./subflow-table.ts";

/** Where the relative sequence numbers of each direction begin: at its ISN, as the SYN says or what came after it. */
export class Numbering {
  private readonly subflows: SubflowTable;
  private readonly options = new mptcp.MptcpOptions();

  constructor(subflows: SubflowTable) {
    this.subflows = subflows;
  }

  /**
   * Learns from a segment the ISNs that are not known: where a SYN was not seen, the sender's stands one below that of the
   * third ACK, the receiver's one below what SYN/ACK or third ACK acknowledge. Any other segment may lie anywhere: then
   * mappings tell, also whether a SYN without octets repeated one that had some. False while the sender's is not known.
   */
  learn(vector: PacketVector, i: number, subflow: number, higher: number): boolean {
    const state = this.subflows.hot[subflow * table.HOT_WORDS + table.STATE]!;
    if ((state & (3 * table.STATE_ISN)) === 3 * table.STATE_ISN) return true;
    const own = table.STATE_ISN << higher;
    const other = table.STATE_ISN << (1 - higher);
    if (!this.isOfHandshake(vector, i)) return this.search(vector, i, subflow, higher);
    if ((state & own) === 0 || this.isBehindSyn(vector, i, subflow, higher))
      this.set(subflow, higher, vector.seq[i]! - 1, 0);
    if ((state & other) === 0 && vector.flags[i]! & tcp.ACK) this.set(subflow, 1 - higher, vector.ack[i]! - 1, 0);
    return true;
  }

  /**
   * Learns from a SYN or SYN/ACK where its sender's numbers begin. Returns how many of its octets are known to lie before
   * them (`skipSynOctets`).
   */
  takeSyn(vector: PacketVector, i: number, subflow: number, higher: number): number {
    const { hot } = this.subflows;
    const seq = vector.seq[i]!;
    const octets = vector.payloadLength[i]!;
    const at = table.direction(subflow, higher);
    const isAnswer = (vector.flags[i]! & tcp.ACK) !== 0;
    const isKnown = (): boolean => (hot[subflow * table.HOT_WORDS + table.STATE]! & (table.STATE_ISN << higher)) !== 0;
    // Where the peer has spoken before a SYN with octets came, how many it took is no longer told: mappings tell. So they do
    // where the sender has.
    const isLate = octets > 0 && hot[table.direction(subflow, 1 - higher) + table.PACKETS] !== 0;
    if (!isAnswer && !isKnown() && (isLate || hot[at + table.PACKETS]! > 1))
      narrowBySyn(hot, at, seq, octets || MAX_SYN_OCTETS);
    else if (isAnswer || !(isLate || isKnownSyn(this.subflows, subflow, higher, seq, octets)))
      this.set(subflow, higher, seq, octets);
    // One without octets, which repeated this one, may have come before it.
    else if (!isLate && hot[at + table.ISN] === seq)
      hot[at + table.NEXT_SSN] = Math.max(hot[at + table.NEXT_SSN]!, 1 + octets);
    return isKnown() ? hot[at + table.ISN]! - seq : 0;
  }

  /** Whether a segment is a SYN/ACK or a third ACK: nothing of either stream has come before it. */
  private isOfHandshake(vector: PacketVector, i: number): boolean {
    const { options } = this;
    if (vector.flags[i]! & tcp.SYN) return true;
    if (vector.mptcpAt[i] === 0) return false;
    mptcp.decodeMptcp(vector.view, vector.mptcpAt[i]!, vector.optionsEnd[i]!, vector.hasCutOptions(i), options);
    return vector.payloadLength[i] === 0 && (options.seen & ((1 << mptcp.MP_CAPABLE) | (1 << mptcp.MP_JOIN))) !== 0;
  }

  /**
   * Whether a third ACK stands where one does behind octets of a SYN: the one that was seen had none, and may have repeated
   * another (RFC 7413 §4.1.3).
   */
  private isBehindSyn(vector: PacketVector, i: number, subflow: number, higher: number): boolean {
    const { hot } = this.subflows;
    const at = table.direction(subflow, higher);
    return hot[at + table.NEXT_SSN] === 1 && (vector.seq[i]! - 1 - hot[at + table.ISN]!) >>> 0 <= MAX_SYN_OCTETS;
  }

  /** Whether the sender's ISN is known, as a mapping on a segment of either side shows. */
  private search(vector: PacketVector, i: number, subflow: number, higher: number): boolean {
    const { options } = this;
    const { hot } = this.subflows;
    const state = subflow * table.HOT_WORDS + table.STATE;
    const own = table.STATE_ISN << higher;
    const length = options.dataLength - (options.dss & mptcp.DSS_DATA_FIN ? 1 : 0);
    const payload = vector.payloadLength[i]!;
    const isMapped = vector.mptcpAt[i] !== 0 && (options.dss & mptcp.DSS_MAPPING) !== 0 && length > 0;
    if (!isMapped || payload === 0) return (hot[state]! & own) !== 0;
    this.doubtSyn(subflow);
    if (hot[state]! & own) return true;
    const at = table.direction(subflow, higher);
    if (!narrowIsn(hot, at, vector.seq[i]!, payload, { ssn: options.ssn, length })) return false;
    hot[state]! |= own;
    hot[at + table.NEXT_SSN] = vector.seq[i]! - hot[at + table.ISN]!;
    return true;
  }

  /** Octets come, and neither SYN/ACK nor third ACK was seen: a SYN without octets alone does not tell where they begin. */
  private doubtSyn(subflow: number): void {
    const { hot } = this.subflows;
    const word = subflow * table.HOT_WORDS + table.STATE;
    const opener = hot[word]! & table.STATE_OPENER_HIGHER ? 1 : 0;
    const isn = table.STATE_ISN << opener;
    const at = table.direction(subflow, opener);
    const isSyn = (hot[word]! & (table.STATE_SYN | table.STATE_SYN_ACK | isn)) === (table.STATE_SYN | isn);
    if (!isSyn || hot[at + table.NEXT_SSN] !== 1) return;
    hot[word]! &= ~isn;
    hot[at + table.NEXT_SSN] = 0;
    narrowBySyn(hot, at, hot[at + table.ISN]!, MAX_SYN_OCTETS);
  }

  /**
   * Octets of a SYN that its SYN/ACK acknowledges lie before the subflow's relative sequence number 1 (RFC 8684 §B): moves
   * the ISN behind them. Those that it does not acknowledge come again, as if they had not been there (RFC 7413 §4.2).
   * Returns how many were acknowledged.
   */
  skipSynOctets(subflow: number, higher: number, ack: number): number {
    const { hot } = this.subflows;
    const at = table.direction(subflow, higher);
    const accepted = (ack - 1 - hot[at + table.ISN]!) >>> 0;
    if (accepted >= hot[at + table.NEXT_SSN]!) return 0;
    const isSynAlone = hot[at + table.MAPPING_LENGTH] === 0 && !this.subflows.watched.has(subflow);
    hot[at + table.ISN]! += accepted;
    if (accepted > 0) this.subflows.seldom.noteSynOctets(subflow, accepted);
    hot[at + table.NEXT_SSN] = isSynAlone ? 1 : hot[at + table.NEXT_SSN]! - accepted;
    this.subflows.coldFloat[((subflow * table.COLD_WORDS + table.OCTETS_BESIDE) >> 1) + higher]! += accepted;
    return accepted;
  }

  /** Takes an ISN, and how many octets its SYN carried (RFC 7413), unless it is known to be this one. */
  private set(subflow: number, higher: number, isn: number, octets: number): void {
    const at = table.direction(subflow, higher);
    const state = this.subflows.hot[subflow * table.HOT_WORDS + table.STATE]!;
    if (state & (table.STATE_ISN << higher) && this.subflows.hot[at + table.ISN] === isn >>> 0) return;
    this.subflows.hot[at + table.ISN] = isn;
    this.subflows.hot[at + table.NEXT_SSN] = 1 + octets;
    this.subflows.hot[subflow * table.HOT_WORDS + table.STATE]! |= table.STATE_ISN << higher;
  }
}
