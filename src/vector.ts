/** Packets are worked on 64 at a time: independent memory loads of one stage overlap (docs/architecture.md). */
export const VECTOR_LENGTH = 64;

/** A column of octets. On a buffer of its own: the compiler takes no short array for a constant that lies on V8's heap. */
export const octetColumn = (): Uint8Array => new Uint8Array(new ArrayBuffer(VECTOR_LENGTH));

/** In `PacketVector.offload`: the TCP checksum is for the network card to finish. */
export const OFFLOAD_CHECKSUM = 0x10000;

/** In `PacketVector.offload`: the packet is datagrams of UDP, of the segments' length each, and not segments of TCP. */
export const OFFLOAD_DATAGRAMS = 0x20000;

/**
 * Up to 64 packets as typed-array columns. A source fills the *input* columns, each stage adds its own.
 * All octets lie in one `block` that stays valid until `Pipeline.process` returns; nothing is copied.
 *
 * A vector is reused: a source calls `use(block)` once, then for each batch `clear()`, `add(...)` and `process(vector)`.
 */
export class PacketVector {
  /** Packets in the vector, 0 to 64. */
  length = 0;
  /** The octets that `at` points into. Below 2^31 octets long; no `Buffer`, of which a slice would be no copy. */
  block = new Uint8Array(0);
  /** The same octets, for reading header fields. */
  view = new DataView(this.block.buffer);

  /** Input: where packet i begins in `block`. */
  readonly at = new Uint32Array(VECTOR_LENGTH);
  /** Input: octets of packet i that are present in `block`. */
  readonly captured = new Uint32Array(VECTOR_LENGTH);
  /** Input: octets packet i had when it was captured; more than `captured` where it was cut. */
  readonly wire = new Uint32Array(VECTOR_LENGTH);
  /**
   * Input: packet time in microseconds since 1970 (a fraction where the source knows nanoseconds). decapsulate dates a packet
   * back to when it was copied, where a device says that.
   */
  readonly atMicros = new Float64Array(VECTOR_LENGTH);
  /** Input: LINKTYPE_ value (`src/wire/link-type.ts`) that says what header packet i begins with. */
  readonly linkType = new Uint16Array(VECTOR_LENGTH);
  /** Input: the number `Pipeline.addSource` gave to the file, socket or interface that packet i came from. */
  readonly source = new Uint16Array(VECTOR_LENGTH);

  /**
   * Input of an agent: what the kernel left to the network card. Octets of payload in each segment that packet i stands for,
   * 0 where it is one segment, OFFLOAD_CHECKSUM and OFFLOAD_DATAGRAMS. 0 from sources that are told nothing of it.
   */
  readonly offload = new Uint32Array(VECTOR_LENGTH);

  /** After every stage: index into FATES; FATE_ALIVE while the packet is still under way. */
  readonly fate = octetColumn();

  /** decapsulate: who copied the packet, an index into the pipeline's agents. */
  readonly agent = new Uint16Array(VECTOR_LENGTH);
  /** decapsulate: 4 or 6, the version of the payload packet's IP header. */
  readonly family = octetColumn();
  /** decapsulate: octet in `block` where the payload packet's source address begins; the destination address follows it. */
  readonly addressAt = new Uint32Array(VECTOR_LENGTH);
  /** decapsulate: octets of the payload packet by its IP header (at most what was on the wire). */
  readonly ipLength = new Uint32Array(VECTOR_LENGTH);
  /** decapsulate: IPv4 identification, 0 in IPv6. */
  readonly ipId = new Uint16Array(VECTOR_LENGTH);
  /** decapsulate: octet in `block` where the TCP header begins. */
  readonly tcpAt = new Uint32Array(VECTOR_LENGTH);
  /** decapsulate: source port << 16 | destination port. */
  readonly ports = new Uint32Array(VECTOR_LENGTH);
  /** decapsulate: TCP sequence number. */
  readonly seq = new Uint32Array(VECTOR_LENGTH);
  /** decapsulate: TCP acknowledgment number. */
  readonly ack = new Uint32Array(VECTOR_LENGTH);
  /** decapsulate: TCP flags octet (`src/wire/tcp.ts`). */
  readonly flags = octetColumn();
  /** decapsulate: octet in `block` of the first MPTCP option (kind 30), 0 when there is none. */
  readonly mptcpAt = new Uint32Array(VECTOR_LENGTH);
  /** decapsulate: octet in `block` after the last TCP option octet that was captured. */
  readonly optionsEnd = new Uint32Array(VECTOR_LENGTH);
  /** decapsulate: octet in `block` where the TCP payload begins. */
  readonly payloadAt = new Uint32Array(VECTOR_LENGTH);
  /** decapsulate: TCP payload octets on the wire, by the IP header's length. */
  readonly payloadLength = new Uint32Array(VECTOR_LENGTH);
  /** decapsulate: TCP payload octets present in `block`; fewer than `payloadLength` where the copy was cut. */
  readonly payloadCaptured = new Uint32Array(VECTOR_LENGTH);

  /** Points the vector at the octets of its next packets and empties it. */
  use(block: Uint8Array<ArrayBuffer>): void {
    if (block !== this.block) {
      this.block = block;
      this.view = new DataView(block.buffer, block.byteOffset, block.byteLength);
    }
    this.length = 0;
  }

  /** Empties the vector; the block stays. */
  clear(): void {
    this.length = 0;
  }

  /** True when `process` must be called before the next `add`. */
  get full(): boolean {
    return this.length === VECTOR_LENGTH;
  }

  /** Whether the copy of packet i was cut inside its TCP header: an option that is not there may have been. */
  hasCutOptions(i: number): boolean {
    return (this.optionsEnd[i] ?? 0) < (this.payloadAt[i] ?? 0);
  }

  /** Adds a packet's input columns. The caller has seen that the vector is not full. */
  add(at: number, captured: number, wire: number, atMicros: number, linkType: number, source: number): void {
    const i = this.length++;
    this.at[i] = at;
    this.captured[i] = captured;
    this.wire[i] = wire;
    this.atMicros[i] = atMicros;
    this.linkType[i] = linkType;
    this.source[i] = source;
  }
}
