import type { Disagreement } from "./compare.ts";

/** A kind of disagreement that was looked into. */
export interface Known {
  readonly about: string;
  /** Captures in which it occurs. */
  readonly captures: readonly string[];
  /** Whether a disagreement of one of these captures is of this kind. */
  readonly is: (disagreement: Disagreement) => boolean;
  readonly library: string;
  readonly tshark: string;
  /** Who is right, and how that is known. */
  readonly right: string;
}

/** What each SYN with data carries in `fastopen`. */
const OCTETS_IN_SYN = 89;

/** Payload octets of its whole segments. */
const SEGMENT = 1_424;

/** Larger than any place in these captures: a data sequence number that was not made relative. */
const ABSOLUTE = 2n ** 32n;
const isAbsolute = ({ tshark }: Disagreement): boolean => /^\d+$/.test(tshark) && BigInt(tshark) > ABSOLUTE;

/** Every disagreement of the captures; one that is not here makes the test fail. */
export const KNOWN: readonly Known[] = [
  {
    about: "place of payload",
    captures: ["mangle-single", "strip-data", "strip-synack", "infinite-mapping-without-fail"],
    is: ({ tshark }) => tshark === "",
    library: "goes on by the subflow's sequence numbers after a fallback (RFC 8684 §3.7)",
    tshark: "has no place for payload once there is no mapping, or an infinite one",
    right: "rejoin: the streams have the SHA-256 that the receiving applications computed",
  },
  {
    about: "place of payload",
    captures: ["server-join"],
    is: isAbsolute,
    library: "counts from the initial data sequence number of the side that sends",
    tshark: "on a subflow that the responder opened, takes the initial data sequence number of the wrong side",
    right: "rejoin: the streams have the SHA-256 that the sending applications computed",
  },
  {
    about: "place of payload",
    captures: ["one-token-two-servers"],
    is: isAbsolute,
    library: "counts each session's octets from its own initial data sequence number",
    tshark: "counts them from the other session's, with which it merged it",
    right: "rejoin: the numbers of both sessions were made from their keys",
  },
  {
    about: "place of payload",
    captures: ["fastopen"],
    is: ({ library, tshark }) => Number(library) - Number(tshark) === OCTETS_IN_SYN,
    library: "counts the octets of the Fast Open SYN, which come before IDSN + 1 (RFC 8684 appendix B)",
    tshark: "begins at IDSN + 1, behind them",
    right: "rejoin: only with them do the streams have the SHA-256 that the applications computed",
  },
  {
    about: "place of payload",
    captures: ["fastopen"],
    is: ({ library, tshark }) => {
      const more = Number(library) - Number(tshark) - OCTETS_IN_SYN;
      return more > 0 && more <= 4 * SEGMENT && more % SEGMENT === 0;
    },
    library:
      "places each segment by its sequence number inside the mapping of the MP_CAPABLE, which four segments repeat",
    tshark:
      "takes each repetition for a new mapping: two segments in a row have one place, and all behind them are too low",
    right: "rejoin: the same SHA-256",
  },
  {
    about: "place of payload",
    captures: ["simulated: 32-bit numbers that wrap"],
    is: isAbsolute,
    library: "extends 32-bit data sequence numbers across the wrap (RFC 8684 §3.3.1)",
    tshark: "does not: behind the wrap places are 2^64 - 2^32 too high",
    right: "rejoin: the simulator knows which octet it sent where",
  },
  {
    about: "subflows of a session",
    captures: ["one-token-two-servers"],
    is: () => true,
    library: "two sessions of two subflows, told apart by the servers' addresses and confirmed by the HMACs",
    tshark: "one session of four subflows",
    right: "rejoin: a token is unique for one host only (RFC 8684 §3.1), and these are two",
  },
  {
    about: "tokens",
    captures: ["one-token-two-servers"],
    is: () => true,
    library: "the tokens of both initiators",
    tshark: "0 for both",
    right: "rejoin: the keys are in the captures' third ACKs",
  },
  {
    about: "tokens",
    captures: ["token-guess"],
    is: ({ tshark }) => tshark === "",
    library: "the token that a join of an unknown session names is in its orphan's record",
    tshark: "tells tokens only where it saw the key",
    right: "both: the token is what the SYN says, whoever it belongs to",
  },
];
