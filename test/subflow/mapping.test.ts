import { describe, expect, it } from "vitest";
import { FlowKeys } from "../../src/subflow/flow-key.ts";
import { Mappings } from "../../src/subflow/mapping.ts";
import * as events from "../../src/subflow/subflow-events.ts";
import * as table from "../../src/subflow/subflow-row.ts";
import { SubflowTable } from "../../src/subflow/subflow-table.ts";
import { DSS_DATA_FIN, DSS_DSN_64, DSS_MAPPING, MptcpOptions } from "../../src/wire/mptcp.ts";
import { type PacketShape, vectorOf } from "../encapsulate/packets.ts";

const SHAPE: PacketShape = {
  ...{ family: 4, source: [10, 0, 0, 1], destination: [10, 0, 0, 2], sourcePort: 1, destinationPort: 2 },
  ...{ flags: 0x10, seq: 1, option: true, atMicros: 0 },
};

/** One subflow with a mapping: DSN_64 at subflow sequence number 1. */
function mapped(dsn: bigint, dataLength: number, dss = DSS_MAPPING | DSS_DSN_64) {
  const vector = vectorOf([SHAPE]);
  const keys = new FlowKeys(1);
  keys.read(vector, 0, 1);
  const subflows = new SubflowTable(1, 1, 1, keys);
  const subflow = subflows.allocate(keys, 0, 0);
  const out = new events.SubflowEvents();
  const mappings = new Mappings(subflows, out);
  const next = table.direction(subflow, 0) + table.NEXT_SSN;
  subflows.hot[next] = 1;
  const options = Object.assign(new MptcpOptions(), {
    ...{ dss, ssn: 1, dataLength, dsnHi: Number(dsn >> 32n), dsnLo: Number(dsn & 0xffffffffn) },
  });
  const kind = mappings.take(0, subflow, 0, options);
  /** The DSN of an octet of the subflow, counted without wrap, when octets up to it were seen; null when nothing maps it. */
  const dsnAt = (octet: number): bigint | null => {
    const ssn = (1 + octet) % 2 ** 32;
    const before = subflows.hot[next] ?? 0;
    vector.payloadLength[0] = 1000;
    if (((ssn - before) | 0) >= 0) subflows.hot[next] = ssn + 1000;
    const placed = mappings.place(vector, 0, subflow, 0, ssn, ((ssn - before) | 0) >= 0 ? ssn : before);
    return placed & events.DATA ? (BigInt(out.dsnHi[0] ?? 0) << 32n) | BigInt(out.dsnLo[0] ?? 0) : null;
  };
  return { kind, dsnAt };
}

describe("mappings", () => {
  it("an infinite mapping has no end, over every wrap of the subflow's numbers", () => {
    const begin = 0x12_ffff_f000n;
    const { dsnAt } = mapped(begin, 0);
    for (let octet = 0; octet < 2 ** 34; octet += 2 ** 27 + 12_345) {
      expect(dsnAt(octet)).toBe(begin + BigInt(octet));
      if (octet > 2 ** 20) expect(dsnAt(octet - 2 ** 20)).toBe(begin + BigInt(octet - 2 ** 20));
    }
  });

  it("what lies past a finite mapping is unmapped, however far", () => {
    for (const [octet, dsn] of [
      [0, 5n],
      [1999, 2004n],
      [2000, null],
      [2 ** 30, null],
      [2 ** 31 - 2, null],
    ] as const) {
      const { dsnAt } = mapped(5n, 2000);
      expect(dsnAt(octet)).toBe(dsn);
    }
  });

  it("a DATA_FIN of no data-level length is none (RFC 8684 §3.3.3): it has no octet to stand for it", () => {
    const { kind, dsnAt } = mapped(5n, 0, DSS_MAPPING | DSS_DSN_64 | DSS_DATA_FIN);
    expect(kind).toBe(0);
    expect(dsnAt(0)).toBe(null);
  });
});
