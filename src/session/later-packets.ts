import * as events from "../subflow/subflow-events.ts";
import { PacketVector } from "../vector.ts";

/** Octets that the subflow stage mapped without an event of their own, as packets: entry 0 of `vector` and `seen`. */
export class LaterPackets {
  private readonly vector = new PacketVector();
  private readonly seen = new events.SubflowEvents();

  /** Calls `take` for each with a packet that carries these octets and nothing else. */
  each(later: readonly events.LaterData[], take: (vector: PacketVector, seen: events.SubflowEvents) => void): void {
    const { vector, seen } = this;
    for (const data of later) {
      vector.use(data.block);
      vector.atMicros[0] = data.atMicros;
      vector.agent[0] = data.agent;
      vector.flags[0] = 0;
      for (const column of [vector.tcpAt, vector.optionsEnd, vector.payloadAt, seen.dataAt]) column[0] = data.at;
      vector.mptcpAt[0] = 0;
      for (const column of [vector.payloadLength, seen.dataLength]) column[0] = data.length;
      for (const column of [vector.payloadCaptured, seen.dataCaptured]) column[0] = data.captured;
      seen.kind[0] = data.form === null ? events.UNMAPPED_DATA : events.DATA;
      seen.subflow[0] = data.subflow;
      seen.fromHigher[0] = data.higher;
      seen.ssn[0] = data.ssn;
      seen.dsnForm[0] = data.form ?? events.DSN_64;
      seen.dsnHi[0] = data.dsnHi;
      seen.dsnLo[0] = data.dsnLo;
      take(vector, seen);
    }
  }
}
