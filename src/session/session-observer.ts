import type { OctetWishes } from "../reassembly/stream-octets.ts";
import type { Close } from "./ending.ts";

/** Whom the session stage tells what happened. A session's numbers are valid until `ended` returns. */
export interface SessionObserver {
  /** The session is one: its handshake is complete, or it fell back. Not called for stand-ins (orphan, midstream). */
  opened(session: number, atMicros: number): void;
  /** A subflow joined or closed, or an address was announced. */
  updated(session: number, atMicros: number): void;
  /** The session is over, and forgotten when the call returns; also called for half-open ones. */
  ended(session: number, close: Close, atMicros: number): void;
  /** The session, of which nothing was told, is one that is known already; its number is forgotten when the call returns. */
  merged(session: number): void;
  /** Sessions without a handshake are told, too. */
  readonly partial: boolean;
  /** What is wanted of the octets of streams. */
  readonly octets: OctetWishes;
}
