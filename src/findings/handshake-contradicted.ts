import { SIDES } from "../../schema/session-vocabulary.ts";
import type { Rule } from "./finding.ts";

/** What was said later contradicts the MP_CAPABLE handshake: a version, a key or an IDSN (RFC 8684 §3.1). */
export const handshakeContradicted: Rule = ({ mptcp: { verdicts } }) => {
  if (verdicts === undefined) return [];
  const checks = [
    { name: "version", side: null, check: verdicts.version, what: "the versions of the handshake do not agree" },
    {
      name: "key-echo",
      side: "initiator" as const,
      check: verdicts.key_echo,
      what: "the initiator repeated other keys than had been exchanged",
    },
    ...SIDES.flatMap((side) => [
      {
        name: "idsn",
        side,
        check: verdicts.idsn[side],
        what: `the ${side}'s first data sequence number does not follow from its key`,
      },
    ]),
  ];
  return checks
    .filter(({ check }) => check?.verdict === "failed")
    .map(({ name, side, what }) => ({
      kind: "handshake-contradicted",
      subject: side === null ? name : `${name}-${side}`,
      subflow: null,
      side,
      message: what,
    }));
};
