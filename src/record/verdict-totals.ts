import type { CheckRecord, SessionRecord, StreamRecord, Verdict } from "../../schema/session-record.ts";
import type { Totals } from "../pipeline-contract.ts";

/** Counts verdicts by the check that gave them, over all sessions that ended. */
export class VerdictTotals {
  private readonly counts: Record<string, Record<Verdict, number>> = {};

  constructor() {
    for (const check of ["version", "key-echo", "idsn", "token", "join-hmac", "addr-hmac", "fastclose", "checksum"]) {
      this.counts[check] = { verified: 0, failed: 0, unverifiable: 0 };
    }
  }

  /** Counts every verdict of a record. */
  add({ mptcp }: SessionRecord): void {
    const { verdicts, subflows, stream, addresses } = mptcp;
    if (verdicts !== undefined) {
      const { version, key_echo, idsn, token, fastclose } = verdicts;
      this.take("version", version);
      this.take("key-echo", key_echo);
      this.take("idsn", idsn.initiator, idsn.responder);
      this.take("token", token.initiator, token.responder);
      this.take("fastclose", fastclose.initiator, fastclose.responder);
    }
    for (const { hmac } of addresses) this.take("addr-hmac", hmac ?? null);
    this.takeChecksums(stream.initiator.checksum);
    this.takeChecksums(stream.responder.checksum);
    for (const { join } of subflows) {
      if (join !== null) this.take("join-hmac", { verdict: join.hmac.initiator }, { verdict: join.hmac.responder });
    }
  }

  /** Mappings of one side; those in the byte order of older kernels are unharmed too. */
  private takeChecksums(checksum: StreamRecord["checksum"]): void {
    const count = this.counts.checksum;
    if (count === undefined || checksum === null || checksum === undefined) return;
    count.verified += checksum.verified + checksum.old_byte_order;
    count.failed += checksum.failed;
    count.unverifiable += checksum.unverifiable;
  }

  /** By check: how often each verdict was given. */
  totals(): Totals["verdicts"] {
    return structuredClone(this.counts);
  }

  private take(check: string, ...findings: (Pick<CheckRecord, "verdict"> | null)[]): void {
    const count = this.counts[check];
    if (count === undefined) return;
    for (const finding of findings) if (finding !== null) count[finding.verdict]++;
  }
}
