import { FATE_ALIVE } from "../fate.ts";
import { NewOctets } from "../reassembly/new-octets.ts";
import { isWorth } from "../reassembly/octet-memory.ts";
import type { SubflowEvents } from "../subflow/subflow-events.ts";
import { octetColumn, type PacketVector, VECTOR_LENGTH } from "../vector.ts";
import { acknowledgedWith } from "./acknowledgments.ts";
import type { Sessions } from "./sessions.ts";

/** Packets of a vector that src/session/steady-path.ts has placed, in whole, and whose octets are yet to be handed on. */
export class PlacedPackets {
  count = 0;
  readonly packet = octetColumn();
  /** Stream and stream offset of each. */
  readonly stream = new Uint32Array(VECTOR_LENGTH);
  readonly offset = new Float64Array(VECTOR_LENGTH);
  private readonly octets = new NewOctets();
  private done = 0;

  /** Hands their octets on; then there are none. Where that throws for one, it has no fate, and those behind it are left. */
  handOn(sessions: Sessions, vector: PacketVector, seen: SubflowEvents): void {
    const { octets } = this;
    const to = sessions.octets;
    while (this.done < this.count) {
      const n = this.done++;
      const i = this.packet[n]!;
      const fate = vector.fate[i]!;
      octets.stream = this.stream[n]!;
      octets.offset = this.offset[n]!;
      octets.block = vector.block;
      octets.at = seen.dataAt[i]!;
      octets.length = seen.dataCaptured[i]!;
      octets.subflow = seen.subflow[i]!;
      octets.agent = vector.agent[i]!;
      octets.atMicros = vector.atMicros[i]!;
      const { stream } = octets;
      octets.acknowledged = to.turns
        ? acknowledgedWith(sessions, stream >>> 1, (stream & 1) as 0 | 1, vector, seen, i)
        : 0;
      vector.fate[i] = FATE_ALIVE;
      to.take(octets, isWorth(seen.dataCaptured[i]!, seen.dataLength[i]!));
      vector.fate[i] = fate;
    }
    this.count = 0;
    this.done = 0;
  }
}
