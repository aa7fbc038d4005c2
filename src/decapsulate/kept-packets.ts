import type { PacketVector } from "../vector.ts";

/** Packets of a vector, kept while others take their places in it. */
export class KeptPackets {
  readonly length: number;
  /** What becomes of each. */
  readonly fates: Uint8Array;
  private readonly block: Uint8Array<ArrayBuffer>;
  private readonly at: Uint32Array;
  private readonly captured: Uint32Array;
  private readonly wire: Uint32Array;
  private readonly atMicros: Float64Array;
  private readonly linkType: Uint16Array;
  private readonly source: Uint16Array;

  constructor(vector: PacketVector) {
    this.length = vector.length;
    this.fates = vector.fate.slice();
    this.block = vector.block;
    this.at = vector.at.slice();
    this.captured = vector.captured.slice();
    this.wire = vector.wire.slice();
    this.atMicros = vector.atMicros.slice();
    this.linkType = vector.linkType.slice();
    this.source = vector.source.slice();
  }

  /** Puts packet `i` alone into the vector, with these octets in the place of its own. */
  showAs(vector: PacketVector, i: number, octets: Uint8Array<ArrayBuffer>, wire: number, linkType: number): void {
    vector.use(octets);
    vector.add(0, octets.length, wire, this.atMicros[i]!, linkType, this.source[i]!);
  }

  /** Puts the packets from `from` on into the vector again, from its first place. */
  show(vector: PacketVector, from: number): void {
    vector.use(this.block);
    for (let i = from; i < this.length; i++)
      vector.add(this.at[i]!, this.captured[i]!, this.wire[i]!, this.atMicros[i]!, this.linkType[i]!, this.source[i]!);
  }

  /** Puts all of them back, with their fates. */
  restore(vector: PacketVector): void {
    this.show(vector, 0);
    vector.fate.set(this.fates);
  }
}
