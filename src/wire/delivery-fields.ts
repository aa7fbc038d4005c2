/** What delivery headers say of their sender's stream besides what they carry; -1 where they do not. */
export class DeliveryFields {
  /** GRE's key (RFC 2890), VNI of VXLAN or Geneve, or, without a key, ERSPAN's session id: which of a sender's streams. */
  key = -1;
  /** GRE's sequence number (RFC 2890). */
  sequence = -1;
}
