import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeAgentReport } from "../../src/encapsulate/agent-report.ts";
import { fateOf } from "../../src/fate.ts";
import { emptyReport, REPORT_OCTETS, readAgentReport } from "../../src/wire/agent-report.ts";
import { hex } from "../support/pcap.ts";
import { over } from "./cursor.ts";

const DUMP = `
  726a6e01 80000000 | "rjn" 1, the last
  0003 8d7ea4c68000 | started
  00000001 00000005 | number 4294967301
  00000001 00000008 | numbered
  00000000 0000ffff | seen
  00000000 00001000 | selected
  00000000 00000fff | sent
  00000000 00000001 | failed
  00000000 00000002 | dropped
  00000000 00000003 | cut
  00000000 00000004 | lost in the kernel`;
const SAID = {
  ...{ startedMicros: 1e15, number: 2 ** 32 + 5, numbered: 2 ** 32 + 8, seen: 65_535, selected: 4096, sent: 4095 },
  ...{ failed: 1, dropped: 2, cut: 3, kernelLost: 4, isLast: true },
};
const MALFORMED = fateOf("decapsulate/agent-report-malformed");

function read(octets: Uint8Array<ArrayBuffer>, sequence = 5) {
  const { view, cursor } = over(octets);
  const report = emptyReport();
  return { fate: readAgentReport(view, cursor, sequence, report), report };
}

describe("an agent's report", () => {
  it("is read octet by octet, and what a later version puts behind it is not", () => {
    expect(read(hex(DUMP))).toEqual({ fate: 0, report: SAID });
    expect(read(Uint8Array.of(...hex(DUMP), 1, 2, 3))).toEqual({ fate: 0, report: SAID });
  });

  it("is written as it is read", () => {
    const target = new Uint8Array(REPORT_OCTETS + 12).fill(0xee);
    expect(encodeAgentReport(target, 8, SAID)).toBe(REPORT_OCTETS + 8);
    expect(target).toEqual(
      Uint8Array.of(...new Uint8Array(8).fill(0xee), ...hex(DUMP), ...new Uint8Array(4).fill(0xee)),
    );
  });

  it.each<[name: string, octets: Uint8Array<ArrayBuffer>, sequence: number]>([
    ["cut in its last field", hex(DUMP).slice(0, -1), 5],
    ["another magic", hex(DUMP.replace("726a6e01", "72656a01")), 5],
    ["another version", hex(DUMP.replace("726a6e01", "726a6e02")), 5],
    ["a number that is not its GRE header's", hex(DUMP), 6],
    ["without a sequence number", hex(DUMP), -1],
    ["fewer numbers given than its own", hex(DUMP.replace("00000001 00000008", "00000001 00000005")), 5],
    ["a number above 2^53", hex(DUMP.replace("00000000 0000ffff", "00200000 00000000")), 5],
  ])("%s is malformed", (_, octets, sequence) => {
    expect(read(octets, sequence).fate).toBe(MALFORMED);
  });

  it("any octets have a fate", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), fc.nat(0xffffffff), (octets, sequence) => {
        expect([0, MALFORMED]).toContain(read(Uint8Array.from(octets), sequence).fate);
        expect([0, MALFORMED]).toContain(read(Uint8Array.of(...hex("726a6e01"), ...octets), sequence).fate);
      }),
    );
  });
});
