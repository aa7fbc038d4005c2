import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { Agents } from "../../src/decapsulate/agents.ts";
import { Decapsulation } from "../../src/decapsulate/decapsulate.ts";
import { CopyEncoder } from "../../src/encapsulate/copy-encoder.ts";
import { segmentsOf } from "../../src/encapsulate/segmentation.ts";
import { OFFLOAD_CHECKSUM, PacketVector } from "../../src/vector.ts";
import { LINKTYPE_RAW } from "../../src/wire/link-type.ts";
import { pcapFile } from "../support/pcap.ts";
import { needs, titled } from "../support/requirements.ts";

const reason = needs("python3", "tshark");

/** A super-packet of `payload` octets with options, FIN, PSH and CWR, a TCP checksum that is not finished; IPv4 or IPv6. */
function superPacket(family: 4 | 6, payload: number): Buffer {
  const tcp = Buffer.alloc(32 + payload);
  tcp.writeUInt16BE(40_000, 0);
  tcp.writeUInt16BE(443, 2);
  tcp.writeUInt32BE(0xffff_ff00, 4);
  tcp.set([0x80, 0x99, 0x20, 0, 0xde, 0xad], 12);
  tcp.set([1, 1, 1, 1, 30, 8, 0x20, 0x01, 0, 0, 0, 7], 20);
  for (let n = 0; n < payload; n++) tcp[32 + n] = (n * 31) ^ (n >> 8);
  if (family === 6) {
    const header = Buffer.from(`6000000000000640${"20010db8".padEnd(31, "0")}1${"20010db8".padEnd(31, "0")}2`, "hex");
    header.writeUInt16BE(tcp.length, 4);
    return Buffer.concat([header, tcp]);
  }
  const header = Buffer.from("45000000fffe4000400600000a0000010a000002", "hex");
  header.writeUInt16BE(20 + tcp.length, 2);
  return Buffer.concat([header, tcp]);
}

function vectorOf(packet: Uint8Array, offload: number): PacketVector {
  const agents = new Agents([]);
  agents.addSource("test");
  const vector = new PacketVector();
  vector.use(Uint8Array.from(packet));
  vector.add(0, packet.length, packet.length, 1e6, LINKTYPE_RAW, 0);
  vector.offload[0] = offload;
  new Decapsulation(agents, null).process(vector);
  return vector;
}

function copies(packet: Uint8Array, offload: number, room = 1600): Buffer[] {
  const vector = vectorOf(packet, offload);
  const encoder = new CopyEncoder({ key: null, room });
  const count = segmentsOf(vector, 0);
  return Array.from({ length: count }, (_, n) => {
    const target = new Uint8Array(70_000);
    const expected = encoder.length(vector, 0, n, count);
    const length = encoder.encode(vector, 0, target, n, count);
    expect(length).toBe(expected);
    return Buffer.from(target.subarray(8, length));
  });
}

it.skipIf(reason).each([4, 6] as const)(
  titled(
    "a super-packet of IPv%i is copied as the segments it stands for: tshark finds nothing wrong with them",
    reason,
  ),
  (family) => {
    const folder = mkdtempSync(join(tmpdir(), "rejoin-segments-"));
    const packet = superPacket(family, 10_000);
    const segments = copies(packet, 1448 | OFFLOAD_CHECKSUM);
    const file = join(folder, "segments.pcap");
    const stated = segments.map((octets, n) => ({ atMicros: 1e15 + n, wire: octets.length, octets }));
    writeFileSync(file, pcapFile(stated, { linkType: LINKTYPE_RAW, nanoseconds: false, littleEndian: true }));
    const fields = [
      "tcp.len",
      "tcp.seq_raw",
      "tcp.flags",
      "ip.id",
      "tcp.checksum.status",
      "ip.checksum.status",
      "tcp.payload",
    ];
    const checks = [
      "-o",
      "tcp.check_checksum:TRUE",
      "-o",
      "ip.check_checksum:TRUE",
      "-o",
      "tcp.desegment_tcp_streams:FALSE",
    ];
    const output = execFileSync(
      "tshark",
      ["-r", file, ...checks, "-T", "fields", ...fields.flatMap((field) => ["-e", field])],
      { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] },
    );
    rmSync(folder, { recursive: true });
    const lines = output
      .trimEnd()
      .split("\n")
      .map((line) => line.split("\t"));
    expect(lines.map(([length]) => Number(length))).toEqual([1448, 1448, 1448, 1448, 1448, 1448, 1312]);
    expect(lines.map(([, seq]) => Number(seq))).toEqual(lines.map((_, n) => (0xffff_ff00 + n * 1448) % 2 ** 32));
    // CWR on the first alone, FIN and PSH on the last alone.
    expect(lines.map(([, , flags]) => Number(flags))).toEqual([0x90, 0x10, 0x10, 0x10, 0x10, 0x10, 0x19]);
    if (family === 4) expect(lines.map(([, , , id]) => Number(id))).toEqual([65_534, 65_535, 0, 1, 2, 3, 4]);
    expect(new Set(lines.map(([, , , , checksum]) => checksum))).toEqual(new Set(["1"]));
    if (family === 4) expect(new Set(lines.map(([, , , , , checksum]) => checksum))).toEqual(new Set(["1"]));
    expect(lines.map((line) => line[6]).join("")).toBe(packet.subarray(packet.length - 10_000).toString("hex"));
  },
);

it("finishes the checksum of a packet that the network card would have finished, and touches nothing else", () => {
  const packet = superPacket(4, 100);
  const [copy = Buffer.alloc(0)] = copies(packet, OFFLOAD_CHECKSUM);
  const [again = Buffer.alloc(0)] = copies(packet, 0);
  expect(again.equals(packet)).toBe(true);
  expect(copy.readUInt16BE(36)).not.toBe(0xdead);
  copy.writeUInt16BE(0xdead, 36);
  expect(copy.equals(packet)).toBe(true);
});

it("cuts segments to the room there is, each by itself, and to headers", () => {
  const packet = superPacket(4, 3000);
  expect(copies(packet, 1448, 500).map(({ length }) => length)).toEqual([500, 500, 156]);
  const vector = vectorOf(packet, 1448);
  const encoder = new CopyEncoder({ key: null, room: 1500 });
  encoder.headersOnly = true;
  const target = new Uint8Array(2000);
  expect([0, 1, 2].map((n) => encoder.encode(vector, 0, target, n, 3))).toEqual([60, 60, 60]);
  expect(encoder.cut).toBe(3);
});
