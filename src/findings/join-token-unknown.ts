import { SIDES } from "../../schema/session-vocabulary.ts";
import type { Finding, Rule } from "./finding.ts";

/**
 * A join that was reset for an answer, of whose token no session is known (RFC 8684 §3.2): somebody guesses tokens, or the
 * session ended before. Who sent nothing but its SYN did not reset it. Told at the end only: a handshake may come late.
 */
export const joinTokenUnknown: Rule = ({ mptcp }) => {
  if (mptcp.session.evidence !== "orphan" || mptcp.close === null) return [];
  return mptcp.subflows.flatMap(({ id, opener, address_id, close, source, destination }): Finding[] => {
    const [listener] = SIDES.filter((side) => side !== opener);
    const isAnswered = listener === undefined || address_id[listener] !== null;
    const isReset = close.reason === "reset" && source.packets === 1 && destination.packets > 0;
    if (isAnswered || !isReset || address_id[opener] === null) return [];
    return [
      {
        kind: "join-token-unknown",
        subject: "",
        subflow: id,
        side: opener,
        message: `a join from ${source.ip} with the token ${mptcp.token.responder} of no session that was seen was answered by a reset`,
      },
    ];
  });
};
