import { octetColumn, type PacketVector, VECTOR_LENGTH } from "../vector.ts";

/** What a packet means for its session; several bits may be set. */
/** First packet of a subflow that was not known. */
export const OPENED = 1 << 0;
/** SYN/ACK, the first of its subflow. */
export const SYN_ACK = 1 << 1;
/** MPTCP options other than a DSS are there: the session reads them from the block. */
export const OPTIONS = 1 << 2;
/** Payload with a data sequence number: `data...` are set. */
export const DATA = 1 << 3;
/** A DATA_FIN: `fin...` are set. */
export const DATA_FIN = 1 << 4;
/** First FIN of this direction. */
export const CLOSED = 1 << 5;
/** First RST of the subflow. */
export const RESET = 1 << 6;
/** Payload without a mapping that covers it, and without any MPTCP option or of a session that is plain TCP. */
export const UNMAPPED_DATA = 1 << 7;
/** A DSS was there. */
export const HAS_DSS = 1 << 8;
/** An infinite mapping begins (RFC 8684 §3.7). */
export const INFINITE_MAPPING = 1 << 9;
/** A SYN of this subflow came again, without its option. */
export const SYN_RETRIED_PLAIN = 1 << 10;
/** The first DSS mapping of this direction: it states a DSN where none but a MP_CAPABLE did. */
export const FIRST_MAPPING = 1 << 11;
/** UNMAPPED_DATA that begins where the newest mapping ends, or the subflow does: no segment between them was missed. */
export const BEHIND_MAPPING = 1 << 12;
/** Said by the session stage: all of the payload was taken as plain TCP's, what is held for a mapping included. */
export const TAKEN_PLAIN = 1 << 13;

/** Besides OPENED: another answer to the SYN of `rivalOf`, which may be the one that the opener takes. */
export const RIVAL = 1 << 14;

/** How `dsn...` and `finDsn...` are to be read. */
export const DSN_64 = 0;
/** Only the low 32 bits were sent (RFC 8684 §3.3.1). */
export const DSN_32 = 1;
/** The low word counts from IDSN. */
export const DSN_RELATIVE = 2;

/** One event per packet of the vector: all that the session stage needs of it besides rare options. */
export class SubflowEvents {
  /** Bits above; 0 where the packet says nothing to its session. */
  readonly kind = new Uint16Array(VECTOR_LENGTH);
  /** Subflow of packet i, -1 when it has none. */
  readonly subflow = new Int32Array(VECTOR_LENGTH);
  /** Subflow whose 4-tuple packet i took for another connection, or whose rival it acknowledges; -1 mostly. */
  readonly replaced = new Int32Array(VECTOR_LENGTH);
  /** With RIVAL: the subflow that was answered first. */
  readonly rivalOf = new Int32Array(VECTOR_LENGTH);
  /** 1 when the higher endpoint of the flow key sent the packet. */
  readonly fromHigher = octetColumn();
  /**
   * Relative subflow sequence number of the segment; of SYN_ACK, or of a SYN that comes
   * after it: octets of the SYN that were acknowledged.
   */
  readonly ssn = new Uint32Array(VECTOR_LENGTH);
  readonly dsnForm = octetColumn();
  readonly dsnHi = new Uint32Array(VECTOR_LENGTH);
  readonly dsnLo = new Uint32Array(VECTOR_LENGTH);
  /** Octet in the block of the first payload octet that the mapping covers. */
  readonly dataAt = new Uint32Array(VECTOR_LENGTH);
  /** Octets from there that the mapping covers, and how many of them are present in the block. */
  readonly dataLength = new Uint32Array(VECTOR_LENGTH);
  readonly dataCaptured = new Uint32Array(VECTOR_LENGTH);
  readonly finForm = octetColumn();
  readonly finHi = new Uint32Array(VECTOR_LENGTH);
  readonly finLo = new Uint32Array(VECTOR_LENGTH);
}

/**
 * Leaves the data columns of packet i: `length` octets of its payload behind the first `skip`, and the DSN of the first of
 * them in a DSN_ form.
 */
export function leaveData(
  out: SubflowEvents,
  vector: PacketVector,
  i: number,
  form: number,
  hi: number,
  lo: number,
  skip: number,
  length: number,
): void {
  out.dsnForm[i] = form;
  out.dsnHi[i] = hi;
  out.dsnLo[i] = lo;
  out.dataAt[i] = vector.payloadAt[i]! + skip;
  out.dataLength[i] = length;
  out.dataCaptured[i] = Math.min(Math.max(vector.payloadCaptured[i]! - skip, 0), length);
}

/** Octets without an event of their own: a packet's under a second mapping, or ones held until their place was known. */
export interface LaterData {
  readonly subflow: number;
  /** 1 when the higher endpoint of the flow key sent them. */
  readonly higher: number;
  /** When their packet came, and who copied it. */
  readonly atMicros: number;
  readonly agent: number;
  /** Relative subflow sequence number of the first. */
  readonly ssn: number;
  /** DSN of the first, in a DSN_ form; null: the session is plain TCP. */
  readonly form: number | null;
  readonly dsnHi: number;
  readonly dsnLo: number;
  /** `length` octets, of which `captured` lie in `block` from `at`; valid as long as the vector's. */
  readonly block: Uint8Array<ArrayBuffer>;
  readonly at: number;
  readonly length: number;
  readonly captured: number;
}

/** A mapping with a checksum, for which no further octet is waited. */
export class CheckedMapping {
  subflow = 0;
  higher = 0;
  /** DSN of the first octet, in a DSN_ form. */
  form = 0;
  /** NaN before the first, as at NO_WORD in src/wire/mptcp.ts. */
  dsnHi = Number.NaN;
  dsnLo = Number.NaN;
  /** Subflow sequence number, data-level length (a DATA_FIN included) and checksum as the option states them. */
  ssn = Number.NaN;
  dataLength = 0;
  checksum = 0;
  /** Payload octets, and their ones-complement sum. */
  length = 0;
  sum = 0;
  /** Why the sum is not whole; null where it is. */
  unverifiable: "truncated" | "octets-missing" | null = null;
}
