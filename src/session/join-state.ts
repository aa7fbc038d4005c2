/**
 * The JOIN word of a subflow: what the session stage keeps about it. Verdicts are two bits each: 0 not seen, or
 * VERIFIED, FAILED. Address identifiers are octets at OPENER_ADDRESS_ID and LISTENER_ADDRESS_ID.
 */
export const VERIFIED = 1;
export const FAILED = 2;
/** Bit positions of the verdicts on the HMACs that the subflow's listener (SYN/ACK) and opener (third ACK) sent. */
export const LISTENER_VERDICT = 0;
export const OPENER_VERDICT = 2;
export const IS_INITIAL = 1 << 4;
export const IS_JOINED = 1 << 5;
/** The session's responder opened the subflow. */
export const OPENED_BY_RESPONDER = 1 << 6;
/** The SYN asks to be a backup; whether its SYN/ACK does is in `RareEntries.backupAnswers`. */
export const BACKUP = 1 << 7;
/** The MP_JOIN of the SYN, of the SYN/ACK, of the third ACK was seen. */
export const SAW_SYN = 1 << 8;
export const SAW_SYN_ACK = 1 << 9;
export const SAW_ACK = 1 << 10;
/** The subflow is closed, and counted as such. */
export const IS_CLOSED = 1 << 11;
/** The 4-tuple was taken by another connection before it closed. */
export const IS_REPLACED = 1 << 12;
/** The subflow is the session's for certain: its data may be placed. */
export const IS_PROVEN = 1 << 13;
/** The copy of the SYN/ACK, or of the third ACK, was cut inside its MP_JOIN. */
export const CUT_SYN_ACK = 1 << 14;
export const CUT_ACK = 1 << 15;
export const OPENER_ADDRESS_ID = 16;
export const LISTENER_ADDRESS_ID = 24;

/** What is known of a join's HMAC: the one at this bit position of its JOIN word, LISTENER_VERDICT or OPENER_VERDICT. */
export function hmacVerdict(word: number, position: number): "verified" | "failed" | "unverifiable" {
  const bits = (word >>> position) & 3;
  return bits === VERIFIED ? "verified" : bits === FAILED ? "failed" : "unverifiable";
}
