/** The largest packet that a host's segmentation offload makes (GSO_MAX_SIZE of Linux). */
const MAX_OFFLOAD_OCTETS = 8 * 65_536;

/**
 * Where a decoder stands in a packet. Each header's decoder checks what it needs, moves `at` past the header, states
 * what comes next in `protocol`, and returns FATE_ALIVE or the fate of a packet that is malformed there. One cursor
 * serves all packets, so that decoding allocates nothing.
 */
export class Cursor {
  /** Octet of the block where the next header begins. */
  at = 0;
  /** Octet of the block after the last one that is present. */
  end = 0;
  /** Octet of the block after the last one the packet had on the wire; past `end` where the copy was cut. */
  wireEnd = 0;
  /** What begins at `at`: an EtherType after a link layer or GRE, an IP protocol number after IP. */
  protocol = 0;

  /**
   * For an IP packet from `at` that states no length, as a sending host's segmentation offload leaves it: it is as long
   * as it was on the wire, or as captured where no host has packets of that length.
   */
  endUnstated(at: number): void {
    if (this.wireEnd - at > MAX_OFFLOAD_OCTETS) this.wireEnd = this.end;
  }
}
