import { FATE_ALIVE } from "../fate.ts";
import { isWorth } from "../reassembly/octet-memory.ts";
import * as events from "../subflow/subflow-events.ts";
import * as flow from "../subflow/subflow-table.ts";
import { type PacketVector, VECTOR_LENGTH } from "../vector.ts";
import * as table from "./session-table.ts";
import type { Sessions } from "./sessions.ts";

/** Looks ahead over a vector: what its packets will need is loaded before it is needed. */
export class SessionLines {
  private readonly sessions: Sessions;
  /** Keeps the sums of touched lines, so that the loads are not optimised away. */
  private readonly touched = new Uint32Array(1);
  /** Streams (session * 2 + side) of the vector's packets. */
  private readonly streams = new Uint32Array(VECTOR_LENGTH);

  constructor(sessions: Sessions) {
    this.sessions = sessions;
  }

  /**
   * Loads the lines of all sessions of the first `all` packets, in loops so short that the loads overlap, and begins the
   * memory of octets with those of their payload.
   */
  touch(vector: PacketVector, seen: events.SubflowEvents, all: number): void {
    const { hot } = this.sessions.subflows;
    const { words } = this.sessions.table;
    const { streams } = this;
    let count = 0;
    let from = 0xffffffff;
    let to = 0;
    let wanted = 0;
    for (let i = 0; i < all; i++) {
      if (vector.fate[i] !== FATE_ALIVE) continue;
      if (seen.kind[i]! & events.DATA && isWorth(seen.dataCaptured[i]!, seen.dataLength[i]!)) {
        from = Math.min(from, seen.dataAt[i]!);
        to = Math.max(to, seen.dataAt[i]! + seen.dataCaptured[i]!);
        wanted += seen.dataCaptured[i]!;
      }
      const subflow = seen.subflow[i]!;
      const session = hot[subflow * flow.HOT_WORDS + flow.SESSION]!;
      if (session !== 0) streams[count++] = session * 2 - 2 + this.sessions.sideOf(subflow, seen.fromHigher[i]!);
    }
    this.sessions.memory.begin(vector.block, from, to, wanted);
    let sum = this.sessions.outOfOrder.touch(streams, count);
    for (let i = 0; i < count; i++) {
      sum ^= words[(streams[i]! >>> 1) * table.SESSION_WORDS + table.SIDE + (streams[i]! & 1) * table.SIDE_WORDS]!;
    }
    this.touched[0] = sum;
  }
}
