import type { SessionRecord } from "../../schema/session-record.ts";
import { SIDES } from "../../schema/session-vocabulary.ts";
import { grouped } from "./text.ts";

/** What a record says was found wrong, in a few words each; empty for a session in order. */
export function failedChecks({ mptcp }: SessionRecord): string[] {
  const { verdicts, subflows, addresses, stream } = mptcp;
  const failed: string[] = [];
  const note = (finding: { verdict: string } | null | undefined, words: string): void => {
    if (finding?.verdict === "failed") failed.push(words);
  };
  note(verdicts?.version, "version");
  note(verdicts?.key_echo, "key echo");
  for (const side of SIDES) {
    note(verdicts?.token[side], `token of the ${side}`);
    note(verdicts?.idsn[side], `IDSN of the ${side}`);
    note(verdicts?.fastclose[side], `MP_FASTCLOSE of the ${side}`);
    const checksums = stream[side].checksum?.failed ?? 0;
    if (checksums > 0) failed.push(`${grouped(checksums)} DSS checksums of the ${side}`);
  }
  for (const { id, join } of subflows) {
    if (join !== null && SIDES.some((side) => join.hmac[side] === "failed")) failed.push(`join HMAC of subflow ${id}`);
  }
  for (const { side, address_id, hmac } of addresses) note(hmac, `ADD_ADDR of address ${address_id} of the ${side}`);
  return failed;
}
