import { asFloats, cacheLineWords } from "../cache-lines.ts";
import type { Bounds } from "../pipeline-contract.ts";
import type { AdvertisedAddress } from "./addresses.ts";
import { Allotment } from "./allotment.ts";
import type { ChecksumCounts } from "./checksums.ts";
import { FastOpens } from "./fast-open.ts";
import type { RareOptions, ResetReason } from "./rare-options.ts";
import type { Repeats } from "./repeats.ts";
import { ThirdAcks } from "./third-acks.ts";
import type { WindowProbes } from "./window-probes.ts";

/**
 * What few sessions and subflows have, so that the lines of the tables have no room for it: at most one entry of each kind
 * for each session, stream, subflow or direction, so that their tables bound it. Lists in entries have an allotment of
 * items over all sessions. One column has room for every subflow, and takes memory as it is used. Who ends or leaves is
 * forgotten here: its number will be another's.
 */
export class RareEntries {
  /** By stream: what came again. */
  readonly repeats = new Map<number, Repeats>();
  /** By stream: octets that probed a closed window, in no other number of it. */
  readonly windowProbes = new Map<number, WindowProbes>();
  /** By stream: where it was stated to end besides its FIN_OFFSET (src/session/stream-end.ts). */
  readonly otherEnds = new Map<number, number>();
  readonly addresses = new Map<number, AdvertisedAddress[]>();
  readonly fastOpens = new FastOpens();
  /** By session: MP_PRIO, MP_FAIL, and what no RFC gives a meaning. */
  readonly options = new Map<number, RareOptions>();
  /** By subflow * 2 + higher: mappings whose DSS checksum is right, of sessions that use them. */
  readonly verifiedChecksums: Float64Array;
  /** By the same: what DSS checksums said else; bounded by the subflow table. */
  readonly checksums = new Map<number, ChecksumCounts>();
  /** By subflow * 2 + higher: where a FIN lies that came while its stream had no end (src/session/data.ts). */
  readonly fins = new Map<number, number>();
  /** By subflow: the first MP_TCPRST. */
  readonly resets = new Map<number, ResetReason>();
  /** By subflow: how many other sessions its join's HMAC is right for, where there are any. */
  readonly joinRivals = new Map<number, number>();
  /** By subflow, of joins that nothing else shows to be the session's: answers of the listener (src/session/join-proof.ts). */
  readonly answers = new Map<number, number>();
  /** Joins whose SYN/ACK, the one that holds, asks to be a backup. */
  readonly backupAnswers = new Set<number>();
  readonly thirdAcks: ThirdAcks;
  /** Room for entries of one kind, over all sessions. */
  readonly allotments: Readonly<Record<"conflicts" | "probes" | "addresses" | "options" | "checksums", Allotment>>;

  /**
   * @param bounds third ACKs kept for keys to come, and entries of each kind for which there is an allotment
   * @param subflows how many there can be; they are numbered from 0
   */
  constructor(bounds: Pick<Bounds, "thirdAcks" | "rareEntries">, subflows: number) {
    this.verifiedChecksums = asFloats(cacheLineWords(subflows * 4));
    this.thirdAcks = new ThirdAcks(bounds.thirdAcks);
    const allotment = (): Allotment => new Allotment(bounds.rareEntries);
    this.allotments = {
      conflicts: allotment(),
      probes: allotment(),
      addresses: allotment(),
      options: allotment(),
      checksums: allotment(),
    };
  }

  /** Forgets what is kept of a session and its streams; its subflows' is theirs. */
  forgetSession(session: number): void {
    for (const stream of [session * 2, session * 2 + 1]) {
      this.allotments.conflicts.free(this.repeats.get(stream)?.conflicts.length ?? 0);
      this.repeats.delete(stream);
      this.allotments.probes.free(this.windowProbes.get(stream)?.newest.length ?? 0);
      this.windowProbes.delete(stream);
      this.otherEnds.delete(stream);
    }
    this.allotments.addresses.free(this.addresses.get(session)?.length ?? 0);
    this.addresses.delete(session);
    this.fastOpens.forget(session);
    const said = this.options.get(session);
    if (said !== undefined) this.allotments.options.free(said.priorities.length + said.fails.length);
    this.options.delete(session);
  }

  /** Forgets what is kept of a subflow. */
  forgetSubflow(subflow: number): void {
    for (const direction of [subflow * 2, subflow * 2 + 1]) {
      this.allotments.checksums.free(this.checksums.get(direction)?.failures.length ?? 0);
      this.checksums.delete(direction);
      // Its memory is taken as it is used: where nothing was counted nothing is written.
      if (this.verifiedChecksums[direction] !== 0) this.verifiedChecksums[direction] = 0;
      this.fins.delete(direction);
    }
    this.joinRivals.delete(subflow);
    if (this.resets.delete(subflow)) this.allotments.options.free(1);
    this.thirdAcks.forget(subflow);
    this.answers.delete(subflow);
    this.backupAnswers.delete(subflow);
  }
}
