import { expect, it } from "vitest";
import { JoinedDatagrams } from "../../../collectors/central/source/joined-datagrams.ts";
import { OFFLOAD_DATAGRAMS, PacketVector } from "../../../src/vector.ts";
import { LINKTYPE_ETHERNET } from "../../../src/wire/link-type.ts";

interface Packet {
  readonly octets: Buffer;
  readonly offload: number;
  /** Octets that were captured; all, where it is absent. */
  readonly captured?: number;
}

const MACS = "020000000001020000000002";

/** An Ethernet frame with an IP packet of this protocol; its lengths are those of the whole. */
function frame(version: 4 | 6, protocol: number, payload: Buffer, tags = ""): Buffer {
  const header =
    version === 4
      ? Buffer.from(`4500000000000000400000000a0900010a090002`, "hex")
      : Buffer.from(`6000000000000040${"fd09".padEnd(32, "0")}${"fd08".padEnd(32, "0")}`, "hex");
  if (version === 4) {
    header[9] = protocol;
    header.writeUInt16BE(20 + payload.length, 2);
  } else {
    header[6] = protocol;
    header.writeUInt16BE(payload.length, 4);
  }
  const link = Buffer.from(`${MACS}${tags}${version === 4 ? "0800" : "86dd"}`, "hex");
  return Buffer.concat([link, header, payload]);
}

function udp(payload: Buffer): Buffer {
  const header = Buffer.from("c000129200000000", "hex");
  header.writeUInt16BE(8 + payload.length, 4);
  return Buffer.concat([header, payload]);
}

/** What comes out of a vector of these, as hexadecimal, and the numbers of packets of each vector. */
function parted(...packets: readonly Packet[]): { frames: string[]; wires: number[]; vectors: number[] } {
  const block = new Uint8Array(Buffer.concat(packets.map(({ octets }) => octets)));
  const vector = new PacketVector();
  vector.use(block);
  let at = 0;
  for (const { octets, offload, captured = octets.length } of packets) {
    vector.add(at, captured, octets.length, 1000 + at, LINKTYPE_ETHERNET, 3);
    vector.offload[vector.length - 1] = offload;
    at += octets.length;
  }
  const frames: string[] = [];
  const wires: number[] = [];
  const vectors: number[] = [];
  const joined = new JoinedDatagrams((taken) => {
    vectors.push(taken.length);
    for (let i = 0; i < taken.length; i++) {
      const from = taken.at[i] ?? 0;
      frames.push(Buffer.from(taken.block.subarray(from, from + (taken.captured[i] ?? 0))).toString("hex"));
      wires.push(taken.wire[i] ?? 0);
      expect([taken.linkType[i], taken.source[i]]).toEqual([LINKTYPE_ETHERNET, 3]);
    }
  });
  joined.pass(vector);
  expect(vector.length).toBe(0);
  expect(vector.block).toBe(block);
  return { frames, wires, vectors };
}

const [a, b, c] = [Buffer.alloc(100, "a"), Buffer.alloc(100, "b"), Buffer.alloc(7, "c")] as const;
const hex = (octets: Buffer): string => octets.toString("hex");

it.each([
  { version: 4, tags: "" },
  { version: 6, tags: "" },
  { version: 4, tags: "88a800058100000a" },
  { version: 6, tags: "81000005" },
] as const)(
  "cuts datagrams of IPv$version behind the tags '$tags' apart, the last of which is shorter",
  ({ version, tags }) => {
    const whole = (payload: Buffer): Buffer => frame(version, 17, udp(payload), tags);
    const between = whole(Buffer.from("alone"));
    const { frames, wires } = parted(
      { octets: between, offload: 0 },
      { octets: whole(Buffer.concat([a, b, c])), offload: 100 | OFFLOAD_DATAGRAMS },
      { octets: between, offload: 0 },
    );
    const expected = [between, whole(a), whole(b), whole(c), between];
    expect(frames).toEqual(expected.map(hex));
    expect(wires).toEqual(expected.map(({ length }) => length));
  },
);

it("leaves whole what is no run of datagrams", () => {
  const tunnelled = frame(4, 17, udp(Buffer.concat([a, b])));
  const tcp = frame(4, 6, Buffer.concat([a, b]));
  const fragment = frame(4, 17, udp(Buffer.concat([a, b])));
  fragment.writeUInt16BE(0x2000, 14 + 6);
  const packets = [
    // A tunnel's packet around a super-packet of TCP: the size is that of the segments inside.
    { octets: tunnelled, offload: 100 },
    { octets: tcp, offload: 100 | OFFLOAD_DATAGRAMS },
    { octets: fragment, offload: 100 | OFFLOAD_DATAGRAMS },
    { octets: tcp.subarray(0, 20), offload: 100 | OFFLOAD_DATAGRAMS },
    // More than any kernel joins.
    { octets: tunnelled, offload: 1 | OFFLOAD_DATAGRAMS },
  ];
  expect(parted(...packets).frames).toEqual(packets.map(({ octets }) => hex(octets)));
});

it("says of datagrams that were cut how long they were", () => {
  const octets = frame(4, 17, udp(Buffer.concat([a, b, c])));
  const { frames, wires } = parted({ octets, offload: 100 | OFFLOAD_DATAGRAMS, captured: octets.length - 107 - 60 });
  const [first, second, third] = [a, b, c].map((payload) => frame(4, 17, udp(payload)));
  expect(wires).toEqual([first?.length, second?.length, third?.length]);
  expect(frames).toEqual(
    [first?.subarray(0, -60), second?.subarray(0, 42), third?.subarray(0, 42)].map((one) => one && hex(one)),
  );
});

it("hands vectors on when they are full, and when there is no room for more octets", () => {
  const many = frame(4, 17, udp(Buffer.alloc(100 * 70, "x")));
  expect(parted({ octets: many, offload: 100 | OFFLOAD_DATAGRAMS }).vectors).toEqual([64, 6]);
  const long = frame(4, 17, udp(Buffer.alloc(60_000, "y")));
  const packets = Array.from({ length: 40 }, () => ({ octets: long, offload: 30_000 | OFFLOAD_DATAGRAMS }));
  const { frames, vectors } = parted(...packets);
  expect(new Set(frames)).toEqual(new Set([hex(frame(4, 17, udp(Buffer.alloc(30_000, "y"))))]));
  expect(vectors).toEqual([34, 34, 12]);
});
