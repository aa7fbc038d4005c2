import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Agents } from "../../src/decapsulate/agents.ts";
import { Decapsulation } from "../../src/decapsulate/decapsulate.ts";
import { CopyEncoder } from "../../src/encapsulate/copy-encoder.ts";
import { encodeGreHeader } from "../../src/encapsulate/gre-header.ts";
import { PacketVector } from "../../src/vector.ts";
import { LINKTYPE_ETHERNET, LINKTYPE_RAW } from "../../src/wire/link-type.ts";

function octets(hexdump: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(hexdump.match(/[0-9a-f]{2}/g) ?? [], (hex) => Number.parseInt(hex, 16));
}

const hex = (data: Uint8Array): string => Buffer.from(data).toString("hex");

// IPv4 10.0.0.1 > 10.0.0.2, TCP 40000 > 443, seq 1, ACK, four octets of payload.
const IPV4 = `
  45 00 00 2c  12 34 40 00  40 06 14 96  0a 00 00 01  0a 00 00 02
  9c 40 01 bb  00 00 00 01  00 00 00 00  50 10 20 00  00 00 00 00
  64 61 74 61`;
// IPv6 2001:db8::1 > 2001:db8::2, the same TCP segment.
const IPV6 = `
  60 00 00 00  00 18 06 40  20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01
                            20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 02
  9c 40 01 bb  00 00 00 01  00 00 00 00  50 10 20 00  00 00 00 00
  64 61 74 61`;

function decapsulated(packet: Uint8Array<ArrayBuffer>, linkType: number): PacketVector {
  const agents = new Agents([]);
  agents.addSource("test");
  const vector = new PacketVector();
  vector.use(packet);
  vector.add(0, packet.length, packet.length, 1e6, linkType, 0);
  new Decapsulation(agents, null).process(vector);
  return vector;
}

function encoded(encoder: CopyEncoder, vector: PacketVector): Uint8Array {
  const target = new Uint8Array(2048);
  const expected = encoder.length(vector, 0);
  const length = encoder.encode(vector, 0, target);
  expect(length).toBe(expected);
  return target.subarray(0, length);
}

describe("a copy's octets", () => {
  it("begin with flags K and S, protocol 0x0800, key and sequence number", () => {
    const encoder = new CopyEncoder({ key: 0x0102abcd, room: 1500 });
    const copy = encoded(encoder, decapsulated(octets(IPV4), LINKTYPE_RAW));
    expect(hex(copy)).toBe(hex(octets(`30 00 08 00  01 02 ab cd  00 00 00 00 ${IPV4}`)));
  });

  it("have S alone where the agent has no key, and 0x86DD before IPv6; numbers count up from 0", () => {
    const encoder = new CopyEncoder({ key: null, room: 1500 });
    const vector = decapsulated(octets(IPV6), LINKTYPE_RAW);
    encoded(encoder, vector);
    expect(hex(encoded(encoder, vector))).toBe(hex(octets(`10 00 86 dd  00 00 00 01 ${IPV6}`)));
  });

  it("leave out link layer, VLAN tag and Ethernet padding", () => {
    const frame = octets(`02 00 00 00 00 01  02 00 00 00 00 02  81 00 00 07  08 00 ${IPV4} 00 00 00 00 00 00`);
    const copy = encoded(new CopyEncoder({ key: null, room: 1500 }), decapsulated(frame, LINKTYPE_ETHERNET));
    expect(hex(copy)).toBe(hex(octets(`10 00 08 00  00 00 00 00 ${IPV4}`)));
  });

  it("end at the room of the path, with the payload packet's length field as it was", () => {
    const encoder = new CopyEncoder({ key: null, room: 41 });
    const copy = encoded(encoder, decapsulated(octets(IPV4), LINKTYPE_RAW));
    expect(hex(copy)).toBe(hex(octets(`10 00 08 00  00 00 00 00 ${IPV4}`).subarray(0, 8 + 41)));
    expect(encoder.cut).toBe(1);
  });

  it("skip the numbers of copies that were not made", () => {
    const encoder = new CopyEncoder({ key: null, room: 1500 });
    encoder.skip();
    expect(hex(encoded(encoder, decapsulated(octets(IPV4), LINKTYPE_RAW)).subarray(0, 8))).toBe("1000080000000001");
    expect(encoder.numbered).toBe(2);
  });

  it("hold every key and number of 32 bits", () => {
    const target = new Uint8Array(12);
    expect(encodeGreHeader(target, 0x0800, 0xffffffff, 0xfffffffe)).toBe(12);
    expect(hex(target)).toBe("30000800fffffffffffffffe");
  });
});

const tshark = spawnSync("tshark", ["--version"]).status === 0;

it.skipIf(!tshark)(`is read by tshark as it was meant${tshark ? "" : " (skipped: no tshark)"}`, () => {
  const encoder = new CopyEncoder({ key: 77, room: 1500 });
  encoder.skip();
  const copies = [IPV4, IPV6].map((packet) =>
    Buffer.from(encoded(encoder, decapsulated(octets(packet), LINKTYPE_RAW))),
  );
  // A pcap of raw IPv4 packets that carry protocol 47.
  const global = Buffer.from("d4c3b2a1020004000000000000000000ffff000065000000", "hex");
  const records = copies.map((copy) => {
    const outer = Buffer.from("4500000000000000402f0000c0000201c0000202", "hex");
    outer.writeUInt16BE(20 + copy.length, 2);
    const header = Buffer.alloc(16);
    header.writeUInt32LE(20 + copy.length, 8);
    header.writeUInt32LE(20 + copy.length, 12);
    return Buffer.concat([header, outer, copy]);
  });
  const folder = mkdtempSync(join(tmpdir(), "rejoin-gre-"));
  try {
    writeFileSync(join(folder, "gre.pcap"), Buffer.concat([global, ...records]));
    const fields = ["gre.key", "gre.sequence_number", "gre.proto", "tcp.dstport", "tcp.len", "_ws.malformed"];
    const text = execFileSync(
      "tshark",
      ["-r", join(folder, "gre.pcap"), "-T", "fields", ...fields.flatMap((field) => ["-e", field])],
      { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] },
    );
    expect(
      text
        .trimEnd()
        .split("\n")
        .map((line) => line.split("\t").slice(0, fields.length - 1)),
    ).toEqual([
      ["0x0000004d", "1", "0x0800", "443", "4"],
      ["0x0000004d", "2", "0x86dd", "443", "4"],
    ]);
    expect(text).not.toContain("Malformed");
  } finally {
    rmSync(folder, { recursive: true });
  }
});
