import type { CaptureFault } from "../../src/capture-file/capture-decoder.ts";
import { decoderFor } from "../../src/capture-file/format.ts";
import { PacketVector } from "../../src/vector.ts";

/** A packet as a decoder found it, its octets as hexadecimal digits. */
export interface DecodedPacket {
  readonly atMicros: number;
  readonly wire: number;
  readonly linkType: number;
  readonly octets: string;
}

/** What a decoder makes of a file that is handed over `step` octets at a time, from octet `base` of a block. */
export function decodeAll(
  file: Uint8Array,
  step = file.length,
  base = 0,
): { packets: DecodedPacket[]; fault: CaptureFault | null } {
  const vector = new PacketVector();
  const block = new Uint8Array(base + file.length);
  vector.use(block);
  const packets: DecodedPacket[] = [];
  const drain = () => {
    for (let i = 0; i < vector.length; i++) {
      const at = vector.at[i] ?? 0;
      packets.push({
        atMicros: vector.atMicros[i] ?? 0,
        wire: vector.wire[i] ?? 0,
        linkType: vector.linkType[i] ?? 0,
        octets: Buffer.from(block.subarray(at, at + (vector.captured[i] ?? 0))).toString("hex"),
      });
    }
    vector.clear();
  };
  block.set(file.subarray(0, 4), base);
  const decoder = file.length < 4 ? null : decoderFor(vector.view, base);
  if (decoder === null) return { packets, fault: { reason: "cut-short", offset: 0, detail: "no capture file" } };
  // What was decoded is overwritten and moves, as in a window: nothing may be read twice.
  let [at, end, fed] = [base, base, 0];
  for (;;) {
    at = decoder.decode(vector, at, end);
    const full = vector.full;
    drain();
    if (full) continue;
    if (decoder.fault !== null || fed === file.length) break;
    block.copyWithin(base, at, end);
    end -= at - base;
    at = base;
    const piece = file.subarray(fed, fed + step);
    block.set(piece, end);
    end += piece.length;
    fed += piece.length;
  }
  return { packets, fault: decoder.fault ?? decoder.finish(end - at) };
}
