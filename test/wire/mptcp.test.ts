import fc from "fast-check";
import { describe, expect, it } from "vitest";
import * as mptcp from "../../src/wire/mptcp.ts";
import { hex } from "../support/pcap.ts";

/** Decodes options from octet 1 on, so that no place in them is 0, which means absent. */
function decode(dump: string, isCut = true): mptcp.MptcpOptions {
  const octets = hex(`00 ${dump}`);
  const options = new mptcp.MptcpOptions();
  mptcp.decodeMptcp(new DataView(octets.buffer), 1, octets.length, isCut, options);
  return options;
}

const seen = (...subtypes: number[]): number => subtypes.reduce((bits, subtype) => bits | (1 << subtype), 0);

describe("MP_CAPABLE (RFC 8684 §3.1, RFC 6824 §3.1)", () => {
  const A = "0706050403020100";
  const B = "0f0e0d0c0b0a0908";

  it.each<[name: string, dump: string, version: number, flags: number, senderKeyAt: number, receiverKeyAt: number]>([
    ["version 1 SYN", "1e04 01 01", 1, 0x01, 0, 0],
    ["version 1 SYN/ACK", `1e0c 01 01 ${A}`, 1, 0x01, 5, 0],
    ["version 1 third ACK", `1e14 01 01 ${A} ${B}`, 1, 0x01, 5, 13],
    ["version 0 SYN, checksums asked for", `1e0c 00 81 ${A}`, 0, 0x81, 5, 0],
    ["version 0 third ACK", `1e14 00 81 ${A} ${B}`, 0, 0x81, 5, 13],
    ["version 2, of which nothing more is known", `1e0c 02 01 ${A}`, 2, 0x01, 0, 0],
    ["version 15, of a length no known version has", "1e06 0f ff 0000", 15, 0xff, 0, 0],
  ])("%s", (_, dump, capableVersion, capableFlags, senderKeyAt, receiverKeyAt) => {
    expect(decode(dump)).toMatchObject({
      seen: seen(mptcp.MP_CAPABLE),
      capableMapping: false,
      dss: 0,
      ...{ capableVersion, capableFlags, senderKeyAt, receiverKeyAt },
    });
  });

  it.each([
    ["22 octets", `1e16 01 01 ${A} ${B} 0578`],
    ["24 octets, with a checksum", `1e18 01 81 ${A} ${B} 0578 beef`],
  ])("first data of %s is a mapping from subflow offset 1", (_, dump) => {
    expect(decode(dump)).toMatchObject({ capableMapping: true, dss: mptcp.DSS_MAPPING, ssn: 1, dataLength: 0x578 });
  });

  it.each([3, 5, 8, 16, 21, 23, 26])("a length of %i is none", (length) => {
    expect(decode(`1e${length.toString(16).padStart(2, "0")} 01 ${"00".repeat(length - 3)}`).seen).toBe(0);
  });
});

describe("MP_JOIN (RFC 8684 §3.2)", () => {
  it("SYN: token and nonce", () => {
    expect(decode("1e0c 11 07 deadbeef 01020304")).toMatchObject({
      seen: seen(mptcp.MP_JOIN),
      ...{
        joinLength: 12,
        joinBackup: true,
        joinAddressId: 7,
        joinToken: 0xdeadbeef,
        joinNonce: 0x01020304,
        joinHmacAt: 0,
      },
    });
  });

  it("SYN/ACK: truncated HMAC and nonce", () => {
    expect(decode("1e10 10 09 1122334455667788 0a0b0c0d")).toMatchObject({
      ...{ joinLength: 16, joinBackup: false, joinAddressId: 9, joinToken: 0, joinNonce: 0x0a0b0c0d, joinHmacAt: 5 },
    });
  });

  it("third ACK: HMAC of 160 bits", () => {
    expect(decode(`1e18 10 00 ${"ab".repeat(20)}`)).toMatchObject({ joinLength: 24, joinNonce: 0, joinHmacAt: 5 });
  });

  it.each([8, 14, 20, 28])("a length of %i is none", (length) => {
    expect(decode(`1e${length.toString(16).padStart(2, "0")} 10 ${"00".repeat(length - 3)}`).seen).toBe(0);
  });
});

describe("DSS (RFC 8684 §3.3.1)", () => {
  it.each<[name: string, dump: string, fields: Partial<mptcp.MptcpOptions>]>([
    ["data ACK of 4", "1e08 20 01 00000005", { dss: 0x01 }],
    ["data ACK of 8", "1e0c 20 03 0000000100000005", { dss: 0x03 }],
    ["DSN of 4", "1e0e 20 04 00000009 00000011 0020", { dss: 0x04, dsnHi: 0, dsnLo: 9, ssn: 0x11, dataLength: 0x20 }],
    ["DSN of 4, checksum", "1e10 20 04 00000009 00000011 0020 beef", { dsnLo: 9, ssn: 0x11, dataLength: 0x20 }],
    ["DSN of 8", "1e12 20 0c 0000000700000009 00000011 0020", { dsnHi: 7, dsnLo: 9, ssn: 0x11, dataLength: 0x20 }],
    ["ACK of 4, DSN of 4", "1e12 20 05 ffffffff 00000009 00000011 0020", { dsnHi: 0, dsnLo: 9, ssn: 0x11 }],
    ["ACK of 4, DSN of 8", "1e16 20 0d ffffffff 0000000700000009 00000011 0020", { dsnHi: 7, dsnLo: 9, ssn: 0x11 }],
    ["ACK of 8, DSN of 4", "1e16 20 07 ffffffffffffffff 00000009 00000011 0020", { dsnHi: 0, dsnLo: 9, ssn: 0x11 }],
    [
      "ACK of 8, DSN of 8",
      "1e1a 20 0f ffffffffffffffff 0000000700000009 00000011 0020",
      { dsnHi: 7, dsnLo: 9, ssn: 0x11 },
    ],
    ["all, and a checksum", "1e1c 20 0f ffffffffffffffff 0000000700000009 00000011 0020 beef", { dsnHi: 7, ssn: 0x11 }],
    ["DATA_FIN alone", "1e12 20 1c 0000000700000009 00000000 0001", { dss: 0x1c, ssn: 0, dataLength: 1 }],
    ["infinite mapping", "1e12 20 0c 0000000700000009 00000001 0000", { dss: 0x0c, dataLength: 0 }],
    ["reserved bits are not kept", "1e08 20 e1 00000005", { dss: 0x01 }],
  ])("%s", (_, dump, fields) => {
    const { seen: found, ...rest } = decode(dump);
    expect(found).toBe(seen(mptcp.DSS));
    expect(rest).toMatchObject(fields);
  });

  it.each([
    ["an ACK that does not fit", "1e06 20 01 0000"],
    ["a mapping that does not fit", "1e0c 20 04 00000009 00000011"],
    ["a mapping of 8 octets where 4 fit", "1e0e 20 0c 00000009 00000011 0020"],
    ["an ACK of 4 in the room of 8", "1e0c 20 01 0000000100000005"],
    ["an octet behind the mapping", "1e0f 20 04 00000009 00000011 0020 ff"],
    ["two octets behind the checksum", "1e12 20 04 00000009 00000011 0020 beef 0000"],
  ])("%s is no DSS", (_, dump) => {
    expect(decode(dump)).toMatchObject({ seen: 0, dss: 0, malformed: 1 });
  });

  it.each([
    ["before", "1e16 01 01 0706050403020100 0f0e0d0c0b0a0908 0578 1e08 20 01 00000005"],
    ["behind", "1e08 20 01 00000005 1e16 01 01 0706050403020100 0f0e0d0c0b0a0908 0578"],
  ])("a MP_CAPABLE with data %s a DSS that only acknowledges stays a mapping", (_, dump) => {
    expect(decode(dump)).toMatchObject({ capableMapping: true, dss: 0x05, ssn: 1, dataLength: 0x578 });
  });
});

describe("ADD_ADDR and REMOVE_ADDR (RFC 8684 §3.4, RFC 6824 §3.4)", () => {
  it.each<[name: string, dump: string]>([
    ["version 0, IPv4", "1e08 34 04 0a020009"],
    ["version 0, IPv4 and port", "1e0a 34 04 0a020009 20fb"],
    ["version 0, IPv6", "1e14 36 04 20010db8000000000000000000000009"],
    ["version 0, IPv6 and port", "1e16 36 04 20010db8000000000000000000000009 20fb"],
    ["version 1, IPv4", "1e10 30 04 0a020009 aaaaaaaaaaaaaaaa"],
    ["version 1, IPv4 and port", "1e12 30 04 0a020009 20fb aaaaaaaaaaaaaaaa"],
    ["version 1, IPv6", "1e1c 30 04 20010db8000000000000000000000009 aaaaaaaaaaaaaaaa"],
    ["version 1, IPv6 and port", "1e1e 30 04 20010db8000000000000000000000009 20fb aaaaaaaaaaaaaaaa"],
    ["version 1, echo", "1e08 31 04 0a020009"],
  ])("ADD_ADDR: %s", (_, dump) => {
    expect(decode(dump)).toMatchObject({ seen: seen(mptcp.ADD_ADDR), malformed: 0 });
  });

  it.each([4, 9, 12, 14, 17, 24, 29, 31])("ADD_ADDR: a length of %i is none", (length) => {
    expect(decode(`1e${length.toString(16).padStart(2, "0")} 30 ${"00".repeat(length - 3)}`)).toMatchObject({
      seen: 0,
      malformed: 1,
    });
  });

  it("REMOVE_ADDR names one address or more, never none", () => {
    expect(decode("1e04 40 01")).toMatchObject({ seen: seen(mptcp.REMOVE_ADDR), malformed: 0 });
    expect(decode("1e08 40 0102030405").seen).toBe(seen(mptcp.REMOVE_ADDR));
    expect(decode("1e03 40")).toMatchObject({ seen: 0, malformed: 1 });
  });
});

describe("MP_PRIO (RFC 8684 §3.3.8, RFC 6824 §3.3.8)", () => {
  it.each<[dump: string, prioBackup: boolean, prioAddressId: number]>([
    ["1e03 51", true, -1],
    ["1e03 50", false, -1],
    ["1e04 51 07", true, 7],
    ["1e04 50 00", false, 0],
  ])("%s", (dump, prioBackup, prioAddressId) => {
    expect(decode(dump)).toMatchObject({ seen: seen(mptcp.MP_PRIO), prioBackup, prioAddressId, malformed: 0 });
  });

  it("a length of 5 is none", () => expect(decode("1e05 51 0000")).toMatchObject({ seen: 0, malformed: 1 }));
});

describe("MP_FAIL, MP_FASTCLOSE, MP_TCPRST (RFC 8684 §3.5 to §3.7)", () => {
  it("MP_FAIL: the data sequence number", () => {
    expect(decode("1e0c 60 00 b44fba9a28e3d016")).toMatchObject({
      seen: seen(mptcp.MP_FAIL),
      ...{ failDsnHi: 0xb44fba9a, failDsnLo: 0x28e3d016 },
    });
  });

  it("MP_TCPRST: flags and reason", () => {
    expect(decode("1e04 81 06")).toMatchObject({ seen: seen(mptcp.MP_TCPRST), resetFlags: 1, resetReason: 6 });
    expect(decode("1e04 8e 00")).toMatchObject({ resetFlags: 14, resetReason: 0 });
  });

  it.each([
    "1e08 60 00 00000000",
    "1e0d 60 00 0000000000000000 00",
    "1e0b 70 00 00000000000000",
    "1e03 80",
    "1e05 80 0000",
  ])("%s has a length that is none", (dump) => expect(decode(dump)).toMatchObject({ seen: 0, malformed: 1 }));
});

describe("subtypes that no RFC knows", () => {
  it.each([9, 10, 11, 12, 13, 14, 15])("%i is kept whatever its length", (subtype) => {
    expect(decode(`1e03 ${subtype.toString(16)}0`)).toMatchObject({ seen: seen(subtype), malformed: 0 });
    expect(decode(`1e07 ${subtype.toString(16)}5 01020304`).seen).toBe(seen(subtype));
    expect(subtype).toBeGreaterThanOrEqual(mptcp.SUBTYPES);
  });
});

describe("what is wrong with options is counted", () => {
  it.each<[name: string, dump: string, fields: Partial<mptcp.MptcpOptions>]>([
    ["one of a wrong length does not hide the next", "1e05 51 0000 1e04 80 06", { seen: seen(8), malformed: 1 }],
    ["nor the right one of its own subtype", "1e05 51 0000 1e03 51", { seen: seen(5), malformed: 1, prioBackup: true }],
    ["two of wrong lengths", "1e05 51 0000 1e03 40", { seen: 0, malformed: 2 }],
    ["a length below 3 hides what follows", "1e02 1e03 51", { seen: 0, malformed: 1 }],
    ["a length of 0", "1e00 51", { seen: 0, malformed: 1 }],
    ["cut behind its subtype: unfinished, not malformed", "1e0c 70 00 0f0e", { malformed: 0, unfinished: seen(7) }],
    ["cut before its subtype", "1e0c", { malformed: 0, unfinished: 0 }],
  ])("%s", (_, dump, fields) => {
    expect(decode(dump)).toMatchObject(fields);
  });

  it.each(["1e0c 70 00 0f0e", "1e0c", "1e"])("%s runs past a header that was not cut: malformed", (dump) => {
    expect(decode(dump, false)).toMatchObject({ seen: 0, malformed: 1, unfinished: 0 });
  });
});

describe("several options in one segment", () => {
  const FASTCLOSE = "1e0c 70 00 0f0e0d0c0b0a0908";
  const DSS_ACK = "1e08 20 01 00000005";

  it.each<[name: string, dump: string, subtypes: number[]]>([
    ["MP_FASTCLOSE and MP_TCPRST", `${FASTCLOSE} 1e04 80 00`, [7, 8]],
    ["DSS and MP_FAIL", `${DSS_ACK} 1e0c 60 00 0000000000000005`, [2, 6]],
    ["DSS and MP_PRIO, NOPs between", `${DSS_ACK} 01 01 1e03 51`, [2, 5]],
    ["DSS and REMOVE_ADDR", `${DSS_ACK} 1e05 40 0102`, [2, 4]],
    ["another option between", `${DSS_ACK} 080a0000000100000002 1e03 51`, [2, 5]],
    ["two ADD_ADDR", "1e08 31 01 0a000001 1e08 31 02 0a000002", [3]],
  ])("%s", (_, dump, subtypes) => {
    expect(decode(dump)).toMatchObject({ seen: seen(...subtypes), repeated: 0 });
  });

  it.each<[name: string, dump: string, subtype: number, fields: object]>([
    ["DSS", `${DSS_ACK} 1e0c 20 03 0000000100000005`, 2, { dss: 3 }],
    [
      "mappings",
      "1e10 20 04 00000001 00000002 0003 0101 1e10 20 04 00000011 00000012 0013 0202",
      2,
      { dss: 4, dsnLo: 0x11, ssn: 0x12, dataLength: 0x13, checksum: 0x0202 },
    ],
    [
      "MP_CAPABLE with first data",
      "1e16 01 01 0706050403020100 0f0e0d0c0b0a0908 0578 1e18 01 01 1716151413121110 1f1e1d1c1b1a1918 0010 abcd",
      0,
      { capableMapping: true, dataLength: 0x10, checksum: 0xabcd, senderKeyAt: 1 + 22 + 4 },
    ],
    [
      "MP_JOIN",
      "1e0c 10 02 deadbeef 00000005 1e0c 11 03 01020304 00000006",
      1,
      { joinToken: 0x01020304, joinNonce: 6, joinBackup: true, joinAddressId: 3 },
    ],
    ["MP_PRIO", "1e03 51 1e04 50 07", 5, { prioBackup: false, prioAddressId: 7 }],
    ["MP_FAIL", "1e0c 60 00 0000000000000005 1e0c 60 00 0000000000000006", 6, { failDsnLo: 6 }],
    ["MP_FASTCLOSE", `${FASTCLOSE} ${FASTCLOSE}`, 7, { fastcloseKeyAt: 1 + 12 + 4 }],
    ["MP_TCPRST", "1e04 81 01 1e04 80 02", 8, { resetFlags: 0, resetReason: 2 }],
  ])("two of %s: the last is taken, and the other counted", (_, dump, subtype, fields) => {
    expect(decode(dump)).toMatchObject({ seen: seen(subtype), repeated: 1, malformed: 0, ...fields });
  });

  it("the key of MP_FASTCLOSE stands where it says", () => {
    expect(decode(`${DSS_ACK} ${FASTCLOSE}`).fastcloseKeyAt).toBe(1 + 8 + 4);
  });

  it.each<[name: string, garbage: string]>([
    ["cut option", "1e0c 70 00 0f0e"],
    ["option of length 0", "1e00 70 00"],
    ["option of length 2", "1e02 70 00"],
    ["other option of length 1", "0501 ffff"],
    ["kind at the very end", "1e"],
    ["end of options, then octets", "00 1e03 51"],
    ["MP_FASTCLOSE of 10 octets", "1e0a 70 00 0f0e0d0c0b0a"],
  ])("garbage after them leaves them alone: %s", (_, garbage) => {
    expect(decode(`${DSS_ACK} ${garbage}`)).toMatchObject({ seen: seen(mptcp.DSS), dss: 1 });
  });

  it("nothing of one segment's options shows in the next one's", () => {
    const options = new mptcp.MptcpOptions();
    const read = (dump: string) => {
      const octets = hex(`00 ${dump}`);
      mptcp.decodeMptcp(new DataView(octets.buffer), 1, octets.length, true, options);
    };
    read("1e16 01 01 0706050403020100 0f0e0d0c0b0a0908 0578");
    read("1e03 51");
    expect(options).toMatchObject({ seen: seen(5), dss: 0, capableMapping: false });
  });

  it("a DSS without its flags, on the last octets of a block, is none", () => {
    const own = Uint8Array.of(30, 3, 0x20);
    const options = new mptcp.MptcpOptions();
    mptcp.decodeMptcp(new DataView(own.buffer), 0, own.length, true, options);
    expect(options).toMatchObject({ seen: 0, dss: 0 });
  });

  it("any octets are decoded without reading past their end", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 44, size: "max" }), fc.nat(44), (octets, from) => {
        // The end of options often lies before the end of the block; here it never does, so that reading on throws.
        const own = Uint8Array.from(octets);
        const at = Math.min(from, own.length);
        const options = new mptcp.MptcpOptions();
        mptcp.decodeMptcp(new DataView(own.buffer), at, own.length, true, options);
        for (const place of [3, 4]) {
          mptcp.eachOption(new DataView(own.buffer), at, own.length, place, (optionAt, length) => {
            expect(optionAt + length).toBeLessThanOrEqual(own.length);
          });
        }
      }),
      { numRuns: 3000 },
    );
    const near = fc.array(
      fc.tuple(fc.constantFrom(30, 30, 30, 1, 8), fc.nat(30), fc.nat(255), fc.uint8Array({ maxLength: 26 })),
      { maxLength: 4 },
    );
    fc.assert(
      fc.property(near, (list) => {
        const own = Uint8Array.from(list.flatMap(([kind, length, third, rest]) => [kind, length, third, ...rest]));
        mptcp.decodeMptcp(new DataView(own.buffer), 0, own.length, true, new mptcp.MptcpOptions());
      }),
      { numRuns: 3000 },
    );
  });
});
