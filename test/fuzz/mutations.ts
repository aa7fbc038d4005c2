import type { Random } from "../bench/random.ts";
import type { RunPacket } from "../support/pipeline-run.ts";

/** A packet list that mutations change in place; the octets of a packet are replaced, never written into. */
export type Packets = RunPacket[];

/** Changes a list of packets somewhere. `other` is another observation to take packets from. */
type Mutation = (packets: Packets, random: Random, other: readonly RunPacket[]) => void;

const MPTCP_KIND = 30;
/** Lengths of MPTCP options that some version knows, and some that none does. */
const OPTION_LENGTHS = [2, 3, 4, 5, 7, 8, 10, 12, 14, 16, 17, 18, 20, 22, 24, 26, 28, 30, 38];

const IPV4 = 4;
const IPV6 = 6;

/** Where headers begin in an Ethernet or raw IP packet without tunnels; null where it is none. */
function headers({ octets, linkType = 101 }: RunPacket): { ip: number; tcp: number; payload: number } | null {
  const ip = linkType === 1 ? 14 : 0;
  const version = (octets[ip] ?? 0) >> 4;
  if (version !== IPV4 && version !== IPV6) return null;
  const tcp = ip + (version === IPV4 ? ((octets[ip] ?? 0) & 15) * 4 : 40);
  const payload = tcp + ((octets[tcp + 12] ?? 0) >> 4) * 4;
  return payload > octets.length || payload < tcp + 20 ? null : { ip, tcp, payload };
}

function change(packets: Packets, i: number, edit: (octets: Uint8Array) => void): void {
  const packet = packets[i];
  if (packet === undefined) return;
  const octets = Uint8Array.from(packet.octets);
  edit(octets);
  packets[i] = { ...packet, octets };
}

/** One octet of a range takes another value, or one of its bits does. */
function scratch(octets: Uint8Array, from: number, to: number, random: Random): void {
  const at = from + random.below(Math.max(1, to - from));
  if (at >= octets.length) return;
  octets[at] = random.below(2) === 0 ? random.below(256) : (octets[at] ?? 0) ^ (1 << random.below(8));
}

/** Where the first MPTCP option of a segment stands; null where there is none. */
function optionRange(packet: RunPacket): [number, number] | null {
  const found = headers(packet);
  if (found === null) return null;
  for (let at = found.tcp + 20; at + 1 < found.payload; ) {
    const kind = packet.octets[at] ?? 0;
    const length = kind < 2 ? 1 : Math.max(2, packet.octets[at + 1] ?? 0);
    if (kind === MPTCP_KIND) return [at, Math.min(at + length, found.payload)];
    at += length;
  }
  return null;
}

/** Puts an option behind the others, and makes header, packet and wire longer by it. */
function insertOption(packets: Packets, i: number, random: Random): void {
  const packet = packets[i];
  const found = packet === undefined ? null : headers(packet);
  if (packet === undefined || found === null) return;
  const length = OPTION_LENGTHS[random.below(OPTION_LENGTHS.length)] ?? 4;
  const room = Math.ceil(length / 4) * 4;
  const header = found.payload - found.tcp + room;
  if (header > 60) return;
  const option = Buffer.alloc(room, 1);
  option.set(random.octets(length));
  option[0] = MPTCP_KIND;
  option[1] = length;
  const octets = Buffer.concat([
    packet.octets.subarray(0, found.payload),
    option,
    packet.octets.subarray(found.payload),
  ]);
  octets[found.tcp + 12] = (header / 4) << 4;
  const lengthAt = (octets[found.ip] ?? 0) >> 4 === IPV4 ? found.ip + 2 : found.ip + 4;
  octets.writeUInt16BE(Math.min(65_535, octets.readUInt16BE(lengthAt) + room), lengthAt);
  packets[i] = { ...packet, octets, wire: packet.wire + room };
}

/** Gives a packet the addresses and ports of another, either way round where the first is IPv4. */
function sameEnds(packet: RunPacket, model: RunPacket, isReply: boolean): RunPacket {
  const [own, theirs] = [headers(packet), headers(model)];
  if (own === null || theirs === null) return packet;
  if ((packet.octets[own.ip] ?? 0) >> 4 !== IPV4 || (model.octets[theirs.ip] ?? 0) >> 4 !== IPV4) return packet;
  const octets = Uint8Array.from(packet.octets);
  const [a, b] = isReply ? [4, 0] : [0, 4];
  octets.set(model.octets.subarray(theirs.ip + 12 + a, theirs.ip + 16 + a), own.ip + 12);
  octets.set(model.octets.subarray(theirs.ip + 12 + b, theirs.ip + 16 + b), own.ip + 16);
  octets.set(model.octets.subarray(theirs.tcp + a / 2, theirs.tcp + a / 2 + 2), own.tcp);
  octets.set(model.octets.subarray(theirs.tcp + b / 2, theirs.tcp + b / 2 + 2), own.tcp + 2);
  return { ...packet, octets };
}

/** What can happen to single packets. */
export const PACKET_MUTATIONS: Readonly<Record<string, (packets: Packets, i: number, random: Random) => void>> = {
  octet: (packets, i, random) => change(packets, i, (octets) => scratch(octets, 0, 120, random)),
  header: (packets, i, random) => {
    const packet = packets[i];
    const found = packet === undefined ? null : headers(packet);
    if (found !== null) change(packets, i, (octets) => scratch(octets, found.tcp, found.payload, random));
  },
  option: (packets, i, random) => {
    const packet = packets[i];
    const range = packet === undefined ? null : optionRange(packet);
    if (range !== null) change(packets, i, (octets) => scratch(octets, ...range, random));
  },
  payload: (packets, i, random) => change(packets, i, (octets) => scratch(octets, 54, octets.length, random)),
  insert: insertOption,
  cut: (packets, i, random) => {
    const packet = packets[i];
    if (packet !== undefined) packets[i] = { ...packet, octets: packet.octets.subarray(0, random.below(160)) };
  },
  wire: (packets, i, random) => {
    const packet = packets[i];
    if (packet !== undefined) packets[i] = { ...packet, wire: packet.octets.length + random.below(70_000) };
  },
  drop: (packets, i) => void packets.splice(i, 1),
  double: (packets, i, random) => {
    const packet = packets[i];
    if (packet !== undefined) packets.splice(i + random.below(20), 0, { ...packet, source: random.below(3) });
  },
  move: (packets, i, random) => {
    const [packet] = packets.splice(i, 1);
    if (packet !== undefined) packets.splice(Math.max(0, i - 30 + random.below(60)), 0, packet);
  },
  time: (packets, i, random) => {
    const packet = packets[i];
    const leap = (random.below(2) === 0 ? -1 : 1) * 10 ** random.below(12);
    if (packet !== undefined) packets[i] = { ...packet, atMicros: Math.max(0, packet.atMicros + leap) };
  },
  reply: (packets, i, random) => {
    const packet = packets[i];
    const model = packets[random.below(packets.length)];
    if (packet !== undefined && model !== undefined) packets[i] = sameEnds(packet, model, random.below(2) === 0);
  },
};

/** GRE with key and sequence number over IPv4, of agent `n`. */
function delivered(packet: RunPacket, sequence: number): RunPacket {
  const header = Buffer.alloc(32);
  header.writeUInt16BE(0x4500, 0);
  header.writeUInt16BE(Math.min(65_535, header.length + packet.wire), 2);
  header[9] = 47;
  header.writeUInt32BE(0x0a09_0000 + (packet.source ?? 0), 12);
  header.writeUInt16BE(0x3000, 20);
  header.writeUInt16BE(packet.linkType === 1 ? 0x6558 : 0x0800, 22);
  header.writeUInt32BE(7, 24);
  header.writeUInt32BE(sequence, 28);
  const octets = Buffer.concat([header, packet.octets]);
  return { ...packet, octets, wire: header.length + packet.wire, linkType: 228 };
}

/** What can happen to a whole observation. */
export const CAPTURE_MUTATIONS: Readonly<Record<string, Mutation>> = {
  none: () => undefined,
  splice: (packets, random, other) => {
    const every = 1 + random.below(4);
    const model = packets[random.below(packets.length)];
    const shift = (packets[0]?.atMicros ?? 0) - (other[0]?.atMicros ?? 0);
    const isSame = random.below(2) === 0;
    for (const [n, packet] of other.entries()) {
      const later = { ...packet, atMicros: packet.atMicros + shift };
      packets.splice(n * every, 0, isSame && model !== undefined ? sameEnds(later, model, false) : later);
    }
  },
  again: (packets, random) => {
    const later = 10 ** random.below(10);
    packets.push(...packets.map((packet) => ({ ...packet, atMicros: packet.atMicros + later })));
  },
  tail: (packets, random) => void packets.splice(0, random.below(packets.length)),
  head: (packets, random) => void packets.splice(1 + random.below(packets.length)),
  reverse: (packets) => void packets.reverse(),
  oneSource: (packets, random) => {
    const source = random.below(2);
    const left = packets.filter((packet) => (packet.source ?? 0) === source);
    if (left.length > 0) packets.splice(0, packets.length, ...left);
  },
  oneWay: (packets, random) => {
    const isUp = random.below(2) === 0;
    const left = packets.filter((packet) => {
      const found = headers(packet);
      return found === null || (packet.octets[found.tcp] ?? 0) * 256 > 0x4000 === isUp;
    });
    if (left.length > 0) packets.splice(0, packets.length, ...left);
  },
  snap: (packets, random) => {
    const length = 20 + random.below(200);
    for (const [i, packet] of packets.entries()) packets[i] = { ...packet, octets: packet.octets.subarray(0, length) };
  },
  deliver: (packets) => {
    for (const [i, packet] of packets.entries()) packets[i] = delivered(packet, i);
  },
};
