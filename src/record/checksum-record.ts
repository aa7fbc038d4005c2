import type { StreamRecord } from "../../schema/session-record.ts";
import { MAX_CHECKSUM_FAILURES } from "../../schema/session-vocabulary.ts";
import type { ChecksumReason } from "../session/checksums.ts";
import * as join from "../session/join-state.ts";
import * as table from "../session/session-table.ts";
import type { Sessions } from "../session/sessions.ts";
import { isCurrentOpen } from "../subflow/current-mapping.ts";
import { isOpen } from "../subflow/watched-direction.ts";

type ChecksumRecord = NonNullable<StreamRecord["checksum"]>;

/**
 * What the DSS checksums of one side's stream said, over the subflows that are the session's for certain; null where the
 * handshake asked for none.
 */
export function checksumRecord(sessions: Sessions, session: number, side: 0 | 1): ChecksumRecord | null {
  const state = sessions.table.state(session);
  if (state & table.S_FLAGS && (state & table.S_CHECKSUM) === 0) return null;
  const { watched } = sessions.subflows;
  const reasons: Record<ChecksumReason, number> = { "key-unknown": 0, truncated: 0, "octets-missing": 0 };
  const record = { verified: 0, failed: 0, old_byte_order: 0, unverifiable: 0 };
  const failures: { subflow: number; offset: number | null; length: number }[] = [];
  for (const [id, subflow] of sessions.subflowsOf(session).entries()) {
    if ((sessions.join(subflow) & (join.IS_JOINED | join.IS_PROVEN)) === join.IS_JOINED) continue;
    const higher = sessions.higherOf(subflow, side);
    for (const mapping of watched.get(subflow)?.[higher]?.mappings ?? []) {
      if (isOpen(mapping)) reasons["octets-missing"]++;
    }
    if (isCurrentOpen(sessions.subflows, subflow, higher)) reasons["octets-missing"]++;
    record.verified += sessions.rare.verifiedChecksums[subflow * 2 + higher] ?? 0;
    const counts = sessions.rare.checksums.get(subflow * 2 + higher);
    if (counts === undefined) continue;
    record.failed += counts.wrong.failed;
    record.old_byte_order += counts.wrong.old_byte_order;
    for (const reason of Object.keys(reasons) as ChecksumReason[]) reasons[reason] += counts.unverifiable[reason];
    for (const { offset, length } of counts.failures) {
      // A DSN that was changed on the way may lie nowhere near the stream.
      failures.push({ subflow: id, offset: Number.isSafeInteger(offset) && offset >= 0 ? offset : null, length });
    }
  }
  const met = Object.entries(reasons).filter(([, count]) => count > 0);
  record.unverifiable = met.reduce((sum, [, count]) => sum + count, 0);
  if (
    record.verified + record.failed + record.old_byte_order + record.unverifiable === 0 &&
    !(state & table.S_CHECKSUM)
  ) {
    return null;
  }
  return {
    ...record,
    ...(met.length === 0 ? {} : { unverifiable_reasons: Object.fromEntries(met) }),
    failures: failures.slice(0, MAX_CHECKSUM_FAILURES),
  };
}
