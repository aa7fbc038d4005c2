import type { OctetMemory } from "../reassembly/octet-memory.ts";
import type { SubflowEvents } from "../subflow/subflow-events.ts";
import { octetColumn, type PacketVector, VECTOR_LENGTH } from "../vector.ts";

/** Packets of a vector whose octets src/session/steady-path.ts has placed, in whole, and that are yet to be remembered. */
export class PlacedPackets {
  count = 0;
  readonly packet = octetColumn();
  /** Stream and stream offset of each. */
  readonly stream = new Uint32Array(VECTOR_LENGTH);
  readonly offset = new Float64Array(VECTOR_LENGTH);

  /** Remembers them; then there are none. */
  remember(memory: OctetMemory, vector: PacketVector, seen: SubflowEvents): void {
    for (let n = 0; n < this.count; n++) {
      const i = this.packet[n]!;
      memory.remember(
        this.stream[n]!,
        this.offset[n]!,
        vector.block,
        seen.dataAt[i]!,
        seen.dataCaptured[i]!,
        seen.subflow[i]!,
        vector.agent[i]!,
      );
    }
    this.count = 0;
  }
}
