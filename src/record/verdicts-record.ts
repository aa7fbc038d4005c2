import type { CheckRecord, SessionRecord, VerdictsRecord } from "../../schema/session-record.ts";
import { CAPABLE_FLAGS } from "../../schema/session-vocabulary.ts";
import { agreedVersion, askedVersion, capableFlags } from "../session/negotiation.ts";
import type { Sessions } from "../session/sessions.ts";
import * as verdicts from "../session/verdicts.ts";

/** What SYN and SYN/ACK of a session said of version and flags. */
export function negotiationRecord(
  sessions: Sessions,
  session: number,
): NonNullable<SessionRecord["mptcp"]["negotiation"]> {
  const asked = askedVersion(sessions, session);
  const agreed = agreedVersion(sessions, session);
  return {
    asked,
    agreed,
    flags: {
      initiator: flagNames(capableFlags(sessions, session, 0), asked),
      responder: flagNames(capableFlags(sessions, session, 1), agreed),
    },
  };
}

/** Names of the flags that are set, of a MP_CAPABLE of this version. */
function flagNames(flags: number | null, version: number | null): (typeof CAPABLE_FLAGS)[number][] | null {
  if (flags === null) return null;
  return CAPABLE_FLAGS.slice(0, 8).flatMap((name, place) => {
    if ((flags & (0x80 >> place)) === 0) return [];
    if (version === 0 && name === "hmac-sha256") return ["hmac-sha1"];
    return version === 0 && name === "no-joins-to-this-address" ? ["reserved-c"] : [name];
  });
}

/** Every check of what a session's hosts said of themselves. */
export function verdictsRecord(sessions: Sessions, session: number): VerdictsRecord {
  const sides = (check: (sessions: Sessions, session: number, side: 0 | 1) => verdicts.Finding) => ({
    initiator: findingRecord(check(sessions, session, 0)),
    responder: findingRecord(check(sessions, session, 1)),
  });
  return {
    version: findingRecord(verdicts.versionFinding(sessions, session)),
    key_echo: findingRecord(verdicts.keyEchoFinding(sessions, session)),
    token: sides(verdicts.tokenFinding),
    idsn: sides(verdicts.idsnFinding),
    fastclose: sides(verdicts.fastcloseFinding),
  };
}

/** A finding as records tell it. */
export function findingRecord(finding: verdicts.Finding): CheckRecord | null {
  if (finding === null) return null;
  const { verdict, reason } = finding;
  return reason === undefined ? { verdict } : { verdict, unverifiable_reason: reason };
}
