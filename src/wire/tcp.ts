/** TCP flags (RFC 9293 §3.1). */
export const FIN = 0x01;
export const SYN = 0x02;
export const RST = 0x04;
export const PSH = 0x08;
export const ACK = 0x10;

/** Where the fields of a TCP header stand. */
export const TCP_PORTS = 0;
export const TCP_SEQUENCE = 4;
export const TCP_ACKNOWLEDGMENT = 8;
export const TCP_DATA_OFFSET = 12;
export const TCP_FLAGS = 13;
export const TCP_MIN_OCTETS = 20;

const OPTION_END = 0;
const OPTION_NOP = 1;
const OPTION_TIMESTAMPS = 8;
/** The kind of every MPTCP option (RFC 8684 §3). */
export const OPTION_MPTCP = 30;

/** NOP, NOP, Timestamps: how most stacks begin the options of a segment that is not a SYN. */
export const USUAL_OPTIONS = 0x0101080a;

/**
 * Finds the first option of a kind among the options from `at` to `end`; 0 when there is none. An option with an
 * impossible length ends the search: what stands behind it cannot be told.
 */
export function findOption(view: DataView, at: number, end: number, kind: number): number {
  let i = at;
  if (kind === OPTION_MPTCP && i + 12 < end && view.getUint32(i) === USUAL_OPTIONS) {
    i += 12;
    if (view.getUint8(i) === OPTION_MPTCP) return i;
  }
  while (i < end) {
    const found = view.getUint8(i);
    if (found === kind) return i + 1 < end ? i : 0;
    if (found === OPTION_END) return 0;
    if (found === OPTION_NOP) {
      i++;
      continue;
    }
    const length = i + 1 < end ? view.getUint8(i + 1) : 0;
    if (length < 2) return 0;
    i += length;
  }
  return 0;
}

/** The sender's timestamp (RFC 7323 §3) of the TCP header at `at` whose captured options end at `end`; 0 when there is none. */
export function timestampValue(view: DataView, at: number, end: number): number {
  const options = at + TCP_MIN_OCTETS;
  if (options + 8 <= end && view.getUint32(options) === USUAL_OPTIONS) return view.getUint32(options + 4);
  const found = findOption(view, options, end, OPTION_TIMESTAMPS);
  return found !== 0 && found + 6 <= end ? view.getUint32(found + 2) : 0;
}
