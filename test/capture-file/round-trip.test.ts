import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { PcapFormat } from "../../src/capture-file/pcap-encoder.ts";
import { pcapFile } from "../support/pcap.ts";
import { PcapngWriter, type StatedPacket } from "../support/pcapng.ts";
import { decodeAll } from "./decoded.ts";

/** Whole microseconds: every format and resolution used below can hold them. */
const packet = fc.record({
  atMicros: fc.integer({ min: 0, max: 4_294_967_295_999_999 }),
  extra: fc.nat(70_000),
  octets: fc.uint8Array({ maxLength: 90 }),
});
const packets = fc
  .array(packet, { maxLength: 150 })
  .map((list) =>
    list.map(({ atMicros, extra, octets }): StatedPacket => ({ atMicros, octets, wire: octets.length + extra })),
  );

type Written = (packets: readonly StatedPacket[]) => { file: Uint8Array; linkType: number };

const asPcap = fc
  .record({ linkType: fc.constantFrom(0, 1, 101, 113, 276), nanoseconds: fc.boolean(), littleEndian: fc.boolean() })
  .map(
    (format: PcapFormat): Written =>
      (list) => ({ file: pcapFile(list, format), linkType: format.linkType }),
  );

const asPcapng = fc
  .record({
    littleEndian: fc.boolean(),
    resolution: fc.constantFrom(6, 7, 9),
    obsolete: fc.boolean(),
    linkType: fc.nat(65_535),
    noise: fc.uint8Array({ maxLength: 40 }),
  })
  .map(
    ({ littleEndian, resolution, obsolete, linkType, noise }): Written =>
      (list) => {
        const writer = new PcapngWriter(littleEndian);
        const scale = 10n ** BigInt(resolution - 6);
        const blocks = list.flatMap(({ atMicros, octets, wire }) => {
          const ticks = BigInt(atMicros) * scale;
          const block = obsolete ? writer.obsolete(0, ticks, octets, wire) : writer.enhanced(0, ticks, octets, wire);
          return [writer.block(0x4000_0001, noise), block];
        });
        return {
          file: Buffer.concat([writer.section(), writer.interface({ linkType, resolution }), ...blocks]),
          linkType,
        };
      },
  );

describe("capture files", () => {
  it("give the packets that were written, in any format, read in pieces of any size", () => {
    fc.assert(
      fc.property(
        packets,
        fc.oneof(asPcap, asPcapng),
        fc.integer({ min: 1, max: 3_000 }),
        fc.nat(9),
        (list, written, step, base) => {
          const { file, linkType } = written(list);
          const expected = list.map(({ atMicros, wire, octets }) => ({
            atMicros,
            wire,
            linkType,
            octets: Buffer.from(octets).toString("hex"),
          }));
          expect(decodeAll(file, step, base)).toEqual({ packets: expected, fault: null });
        },
      ),
      { numRuns: 150 },
    );
  });

  it("give the same packets and the same fault however they are cut into pieces, whatever is in them", () => {
    const magic = fc.constantFrom("d4c3b2a1", "a1b2c3d4", "4d3cb2a1", "a1b23c4d", "0a0d0d0a");
    fc.assert(
      fc.property(magic, fc.uint8Array({ maxLength: 400 }), fc.integer({ min: 1, max: 50 }), (begin, rest, step) => {
        const file = Buffer.concat([Buffer.from(begin, "hex"), rest]);
        expect(decodeAll(file, step)).toEqual(decodeAll(file));
      }),
      { numRuns: 500 },
    );
  });

  it("never throw, nor run on, when octets of a good file are changed", () => {
    const change = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(packets, fc.oneof(asPcap, asPcapng), change, (list, written, changes) => {
        const { file } = written(list);
        for (const [at, octet] of changes) file[4 + (at % (file.length - 4))] = octet;
        const { packets: found } = decodeAll(file, 500);
        expect(found.reduce((sum, { octets }) => sum + octets.length / 2, 0)).toBeLessThanOrEqual(file.length);
        expect(decodeAll(file)).toEqual(decodeAll(file, 500));
      }),
      { numRuns: 200 },
    );
  });
});
