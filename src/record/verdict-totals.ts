import type { CheckRecord, Verdict } from "../../schema/session-record.ts";
import type { Totals } from "../pipeline-contract.ts";
import { addressFinding } from "../session/addresses.ts";
import * as join from "../session/join-state.ts";
import type { Sessions } from "../session/sessions.ts";
import * as verdicts from "../session/verdicts.ts";
import { checksumRecord } from "./checksum-record.ts";

/** Counts verdicts by the check that gave them, over all sessions that ended. */
export class VerdictTotals {
  private readonly counts: Record<string, Record<Verdict, number>> = {};

  constructor() {
    for (const check of ["version", "key-echo", "idsn", "token", "join-hmac", "addr-hmac", "fastclose", "checksum"]) {
      this.counts[check] = { verified: 0, failed: 0, unverifiable: 0 };
    }
  }

  /** Counts every verdict of a session, as its record tells them. */
  add(sessions: Sessions, session: number): void {
    this.take("version", verdicts.versionFinding(sessions, session));
    this.take("key-echo", verdicts.keyEchoFinding(sessions, session));
    for (const side of [0, 1] as const) {
      this.take("idsn", verdicts.idsnFinding(sessions, session, side));
      this.take("token", verdicts.tokenFinding(sessions, session, side));
      this.take("fastclose", verdicts.fastcloseFinding(sessions, session, side));
      this.takeChecksums(sessions, session, side);
    }
    for (const address of sessions.rare.addresses.get(session) ?? []) {
      this.take("addr-hmac", addressFinding(sessions, session, address).finding);
    }
    for (let one = sessions.firstOf(session); one >= 0; one = sessions.nextOf(one)) {
      const word = sessions.join(one);
      if ((word & join.IS_JOINED) === 0) continue;
      this.take("join-hmac", { verdict: join.hmacVerdict(word, join.OPENER_VERDICT) });
      this.take("join-hmac", { verdict: join.hmacVerdict(word, join.LISTENER_VERDICT) });
    }
  }

  /** Mappings of one side; those in the byte order of older kernels are unharmed too. */
  private takeChecksums(sessions: Sessions, session: number, side: 0 | 1): void {
    const count = this.counts.checksum;
    const checksum = checksumRecord(sessions, session, side);
    if (count === undefined || checksum === null) return;
    count.verified += checksum.verified + checksum.old_byte_order;
    count.failed += checksum.failed;
    count.unverifiable += checksum.unverifiable;
  }

  /** By check: how often each verdict was given. */
  totals(): Totals["verdicts"] {
    return structuredClone(this.counts);
  }

  private take(check: string, finding: Pick<CheckRecord, "verdict"> | null): void {
    const count = this.counts[check];
    if (count !== undefined && finding !== null) count[finding.verdict]++;
  }
}
