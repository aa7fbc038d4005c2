import { ENCAPSULATIONS, type Encapsulation } from "../../schema/encapsulation.ts";

/** The place of an encapsulation in ENCAPSULATIONS. */
export const encapsulationOf = (name: Encapsulation): number => ENCAPSULATIONS.indexOf(name);

const LAST_GRE = encapsulationOf("gre-in-udp");

/** What delivery headers say of their sender's stream besides what they carry; -1 where they do not. */
export class DeliveryFields {
  /** Which of ENCAPSULATIONS it is. */
  encapsulation = 0;
  /** GRE's key (RFC 2890), VNI of VXLAN or Geneve, or, without a key, ERSPAN's session id: which of a sender's streams. */
  key = -1;
  /** GRE's sequence number (RFC 2890). */
  sequence = -1;
  /** ERSPAN III: the packet was mirrored as it left the device, not as it came in (draft-foschiano-erspan-03 §4.3). */
  isEgress = false;
  /** ERSPAN III: when the device copied the packet, microseconds on a clock of its own; -1 where it does not say. */
  stampMicros = -1;
  /** The stamp is cut to a multiple of this, and comes again after so long. */
  stampUnitMicros = 0;
  stampPeriodMicros = 0;

  /** Whether it is GRE's own: in UDP or not, and not ERSPAN. */
  get isGre(): boolean {
    return this.encapsulation <= LAST_GRE;
  }
}
