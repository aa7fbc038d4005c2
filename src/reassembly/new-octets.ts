/**
 * Octets of a stream that nobody brought before, as they are handed on: one object, used again for the next, so that
 * nothing is allocated for a packet.
 */
export class NewOctets {
  /** session * 2 + side. */
  stream = 0;
  /** Where they belong in the stream. NaN before the first: V8 then keeps a double there from the beginning. */
  offset = Number.NaN;
  /** `length` octets of `block` from `at`; valid during the call. */
  block: Uint8Array = new Uint8Array(0);
  at = 0;
  length = 0;
  /**
   * Up to which offset their sender had acknowledged the other side's stream by then; 0 where nothing says so, or nobody wants
   * the two streams in the order in which their sides spoke.
   */
  acknowledged = Number.NaN;
  /** Who brought them, and the time of that packet, in µs. */
  subflow = 0;
  agent = 0;
  atMicros = Number.NaN;
}
