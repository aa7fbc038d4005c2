import type { SessionRecord } from "../../schema/session-record.ts";
import { Agents } from "../../src/decapsulate/agents.ts";
import { Decapsulation } from "../../src/decapsulate/decapsulate.ts";
import { Pipeline } from "../../src/pipeline.ts";
import { PacketVector } from "../../src/vector.ts";
import * as wire from "../../src/wire/mptcp.ts";
import type { RunPacket } from "../support/pipeline-run.ts";

/** A packet's options as the library decodes them, by tshark's names; absent what is not in the packet. */
export type Decoded = Partial<
  Record<
    | "subtypes"
    | "version"
    | "senderKey"
    | "receiverKey"
    | "token"
    | "nonce"
    | "shortHmac"
    | "hmac"
    | "backup"
    | "dataAck"
    | "dsn"
    | "ssn"
    | "length"
    | "fin"
    | "resetReason",
    string
  >
>;

export interface Observed {
  readonly rows: Decoded[];
  /** Stream offset of the first payload octet, for packets whose first octet was new; by packet. */
  readonly places: Map<number, number>;
  readonly records: SessionRecord[];
}

/** MP_CAPABLE's and DSS's place in the options, for what `MptcpOptions` does not keep. */
function dataAck(view: DataView, from: number, end: number): string | undefined {
  let text: string | undefined;
  wire.eachOption(view, from, end, wire.DSS, (at) => {
    const bits = view.getUint8(at + 3);
    if (bits & wire.DSS_ACK) text = String(bits & wire.DSS_ACK_64 ? view.getBigUint64(at + 4) : view.getUint32(at + 4));
  });
  return text;
}

function decoded(vector: PacketVector, i: number, out: wire.MptcpOptions): Decoded {
  const { view } = vector;
  const [from, end] = [vector.mptcpAt[i] ?? 0, vector.optionsEnd[i] ?? 0];
  if (from === 0) return {};
  wire.decodeMptcp(view, from, end, vector.hasCutOptions(i), out);
  const key = (at: number) => (at === 0 ? {} : String(view.getBigUint64(at)));
  const has = (subtype: number) => (out.seen & (1 << subtype)) !== 0;
  const row: Record<string, string> = {};
  const put = (name: keyof Decoded, value: unknown) => {
    if (typeof value === "string") row[name] = value;
    else if (typeof value === "number" || typeof value === "bigint") row[name] = String(value);
    else if (typeof value === "boolean") row[name] = value ? "1" : "0";
  };
  put(
    "subtypes",
    Array.from({ length: 16 }, (_, n) => n)
      .filter(has)
      .join(),
  );
  if (has(wire.MP_CAPABLE)) {
    put("version", out.capableVersion);
    put("senderKey", key(out.senderKeyAt));
    put("receiverKey", key(out.receiverKeyAt));
  }
  if (has(wire.MP_JOIN)) {
    if (out.joinLength === 12) put("token", out.joinToken);
    if (out.joinLength < 24) put("nonce", out.joinNonce);
    if (out.joinLength < 24) put("backup", out.joinBackup);
    if (out.joinLength === 16) put("shortHmac", view.getBigUint64(out.joinHmacAt));
    if (out.joinLength === 24)
      put("hmac", Buffer.from(vector.block.subarray(out.joinHmacAt, out.joinHmacAt + 20)).toString("hex"));
  }
  if (has(wire.DSS)) {
    put("dataAck", dataAck(view, from, end));
    put("fin", (out.dss & wire.DSS_DATA_FIN) !== 0);
  }
  if (out.dss & wire.DSS_MAPPING) {
    if (!out.capableMapping) {
      put("dsn", (BigInt(out.dsnHi) << 32n) | BigInt(out.dsnLo));
      put("ssn", out.ssn);
    }
    put("length", out.dataLength);
  }
  if (has(wire.MP_PRIO)) put("backup", out.prioBackup);
  if (has(wire.MP_FAIL)) put("dsn", (BigInt(out.failDsnHi) << 32n) | BigInt(out.failDsnLo));
  if (has(wire.MP_FASTCLOSE)) put("receiverKey", key(out.fastcloseKeyAt));
  if (has(wire.MP_TCPRST)) put("resetReason", out.resetReason);
  return row;
}

/** What the library makes of these packets: options one by one, where payload lies, and records. */
export function observed(packets: readonly RunPacket[]): Observed {
  const found: Observed = { rows: [], places: new Map(), records: [] };
  const decapsulation = new Decapsulation(new Agents(null), null);
  const options = new wire.MptcpOptions();
  const vector = new PacketVector();
  let first = 0;
  const pipeline = new Pipeline({
    observer: { name: "judged", version: "0" },
    bounds: { sessions: 2048, subflows: 4096 },
    agents: null,
    partial: true,
    revisions: "ended",
    digest: false,
    octets: {
      octets: (_id, _side, offset, block, at) => {
        if (block !== vector.block) return;
        const i = vector.payloadAt.subarray(0, vector.length).indexOf(at);
        if (i >= 0) found.places.set(first + i, offset);
      },
    },
    record: (record) => found.records.push(record),
  });
  for (const name of ["a", "b", "c"]) pipeline.addSource(name);
  for (; first < packets.length; first += 64) {
    const some = packets.slice(first, first + 64);
    const fill = () => {
      let at = 0;
      for (const { octets, wire: length, atMicros, linkType = 101, source = 0 } of some) {
        vector.add(at, octets.length, length, atMicros, linkType, source);
        at += octets.length;
      }
    };
    vector.use(Uint8Array.from(Buffer.concat(some.map(({ octets }) => octets))));
    fill();
    decapsulation.process(vector);
    for (let i = 0; i < some.length; i++) found.rows.push(vector.fate[i] === 0 ? decoded(vector, i, options) : {});
    vector.clear();
    fill();
    pipeline.process(vector);
  }
  pipeline.finish("end-of-input");
  return found;
}
