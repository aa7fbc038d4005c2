import { PacketVector } from "../../src/vector.ts";

/** What a test says about one packet; the rest of the columns stays 0. */
export interface PacketShape {
  readonly family: 4 | 6;
  /** Address octets as numbers, 4 or 16 of them. */
  readonly source: readonly number[];
  readonly destination: readonly number[];
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly flags: number;
  readonly seq: number;
  readonly option: boolean;
  readonly atMicros: number;
}

/** A vector with the columns that decapsulation leaves, over a block that holds nothing but the addresses. */
export function vectorOf(shapes: readonly PacketShape[]): PacketVector {
  const block = new Uint8Array(shapes.length * 40 + 1);
  const vector = new PacketVector();
  vector.use(block);
  shapes.forEach((shape, i) => {
    const at = i * 40;
    vector.add(at, 40, 40, shape.atMicros, 101, 0);
    vector.fate[i] = 0;
    vector.family[i] = shape.family;
    vector.addressAt[i] = at + 8;
    block.set(shape.source, at + 8);
    block.set(shape.destination, at + 8 + shape.source.length);
    vector.ports[i] = ((shape.sourcePort << 16) | shape.destinationPort) >>> 0;
    vector.flags[i] = shape.flags;
    vector.seq[i] = shape.seq;
    vector.mptcpAt[i] = shape.option ? at + 1 : 0;
  });
  return vector;
}
