import { createHash, createHmac } from "node:crypto";

/**
 * TCP segments with MPTCP options as octets, written from the RFCs and from nothing in `src`: what the library says of
 * them is then a second opinion.
 */
export const FIN = 0x01;
export const SYN = 0x02;
export const RST = 0x04;
export const PSH = 0x08;
export const ACK = 0x10;

export interface Endpoint {
  readonly ip: string;
  readonly port: number;
}

export interface SegmentShape {
  readonly from: Endpoint;
  readonly to: Endpoint;
  readonly flags: number;
  readonly seq?: number;
  readonly ack?: number;
  /** Whole options, each with kind and length; padded with NOPs. */
  readonly options?: readonly Uint8Array[];
  readonly payload?: Uint8Array;
  readonly ipId?: number;
}

const wordOf = (word: number): Buffer => {
  const octets = Buffer.alloc(4);
  octets.writeUInt32BE(word >>> 0);
  return octets;
};

const longOf = (long: bigint): Buffer => {
  const octets = Buffer.alloc(8);
  octets.writeBigUInt64BE(BigInt.asUintN(64, long));
  return octets;
};

/** Octets of an address text. */
export function addressOctets(ip: string): Buffer {
  if (!ip.includes(":")) return Buffer.from(ip.split(".").map(Number));
  const [head = "", tail] = ip.split("::");
  const groups = (part: string): number[] =>
    part === "" ? [] : part.split(":").map((group) => Number.parseInt(group, 16));
  const front = groups(head);
  const back = tail === undefined ? [] : groups(tail);
  const all = [...front, ...new Array<number>(8 - front.length - back.length).fill(0), ...back];
  return Buffer.from(all.flatMap((group) => [group >> 8, group & 255]));
}

/** A TCP header with its payload; no checksum, as before an interface finishes it (`finished`). */
export function tcp({
  from,
  to,
  flags,
  seq = 0,
  ack = 0,
  options = [],
  payload = Buffer.alloc(0),
}: SegmentShape): Buffer {
  const present = Buffer.concat(options);
  const padded = Buffer.concat([present, Buffer.alloc((4 - (present.length % 4)) % 4, 1)]);
  const header = Buffer.alloc(20);
  header.writeUInt16BE(from.port, 0);
  header.writeUInt16BE(to.port, 2);
  header.writeUInt32BE(seq >>> 0, 4);
  header.writeUInt32BE(ack >>> 0, 8);
  header[12] = ((20 + padded.length) / 4) << 4;
  header[13] = flags;
  header.writeUInt16BE(65_535, 14);
  return Buffer.concat([header, padded, payload]);
}

/** An IP packet, of the version that the ends' addresses have. */
export function ip(protocol: number, from: string, to: string, payload: Uint8Array, id = 0): Buffer {
  const ends = Buffer.concat([addressOctets(from), addressOctets(to)]);
  const isIpv6 = from.includes(":");
  const header = Buffer.from(isIpv6 ? "6000000000000040" : "450000000000000040000000", "hex");
  header.writeUInt16BE(isIpv6 ? payload.length : 20 + payload.length, isIpv6 ? 4 : 2);
  header[isIpv6 ? 6 : 9] = protocol;
  if (!isIpv6) header.writeUInt16BE(id, 4);
  return Buffer.concat([header, ends, payload]);
}

/** A whole IP packet with one segment. */
export const segment = (shape: SegmentShape): Buffer => ip(6, shape.from.ip, shape.to.ip, tcp(shape), shape.ipId);

/** An IPv4 packet with the right TCP checksum, as it goes over the wire. */
export function finished(packet: Uint8Array): Buffer {
  const whole = Buffer.from(packet);
  if (whole[9] !== 6) return whole;
  whole.writeUInt16BE(0, 36);
  const length = whole.length - 20;
  const words = Buffer.concat([
    whole.subarray(12),
    Buffer.alloc(length % 2),
    Buffer.of(0, 6, length >> 8, length & 0xff),
  ]);
  let sum = 0;
  for (let at = 0; at < words.length; at += 2) sum += words.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  whole.writeUInt16BE(~sum & 0xffff, 36);
  return whole;
}

/** What RFC 6824 (version 0) and RFC 8684 (version 1) make of keys. */
export const keys = {
  hash: (version: 0 | 1): string => (version === 0 ? "sha1" : "sha256"),
  token: (key: Uint8Array, version: 0 | 1): number =>
    createHash(keys.hash(version)).update(key).digest().readUInt32BE(0),
  idsn: (key: Uint8Array, version: 0 | 1): bigint => {
    const digest = createHash(keys.hash(version)).update(key).digest();
    return digest.readBigUInt64BE(digest.length - 8);
  },
  hmac: (version: 0 | 1, own: Uint8Array, other: Uint8Array, ownNonce: number, otherNonce: number): Buffer =>
    createHmac(keys.hash(version), Buffer.concat([own, other]))
      .update(Buffer.concat([wordOf(ownNonce), wordOf(otherNonce)]))
      .digest(),
};

/**
 * The DSS checksum over a mapping's payload and its pseudo-header of 64-bit DSN, 32-bit relative subflow sequence number,
 * 16-bit length and zeros (RFC 8684 §3.3.1).
 */
export function dssChecksum(dsn: bigint, ssn: number, length: number, payload: Uint8Array): number {
  const tail = Buffer.alloc(4);
  tail.writeUInt16BE(length);
  const octets = Buffer.concat([longOf(dsn), wordOf(ssn), tail, payload, Buffer.alloc(payload.length & 1)]);
  let total = 0;
  for (let at = 0; at < octets.length; at += 2) total += octets.readUInt16BE(at);
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return ~total & 0xffff;
}

export interface DssShape {
  /** Data ACK: 8 octets as a bigint, 4 as a number. */
  readonly ack?: bigint | number;
  /** Data sequence number: 8 octets as a bigint, 4 as a number; with it goes a mapping. */
  readonly dsn?: bigint | number;
  readonly ssn?: number;
  readonly length?: number;
  readonly fin?: boolean;
  readonly checksum?: number;
}

const mptcp = (subtype: number, nibble: number, ...body: Uint8Array[]): Buffer => {
  const octets = Buffer.concat([Buffer.from([30, 0, (subtype << 4) | nibble]), ...body]);
  octets[1] = octets.length;
  return octets;
};

const octet = (...values: number[]): Buffer => Buffer.from(values);
const numberOf = (value: bigint | number): Buffer => (typeof value === "bigint" ? longOf(value) : wordOf(value));

/** MPTCP options (RFC 8684 §3; §3 of RFC 6824 for version 0), whole. */
export const option = {
  /** `keys`: none in a version 1 SYN, the sender's, or both; `data`: the data-level length, and a checksum. */
  capable: (version: 0 | 1, keysSent: readonly Uint8Array[] = [], data: readonly number[] = [], flags = 0x01): Buffer =>
    mptcp(0, version, octet(flags), ...keysSent, ...data.map((word) => octet(word >> 8, word & 255))),
  joinSyn: (token: number, nonce: number, addressId = 0, backup = false): Buffer =>
    mptcp(1, backup ? 1 : 0, octet(addressId), wordOf(token), wordOf(nonce)),
  joinSynAck: (hmac: Uint8Array, nonce: number, addressId = 0, backup = false): Buffer =>
    mptcp(1, backup ? 1 : 0, octet(addressId), hmac.subarray(0, 8), wordOf(nonce)),
  joinAck: (hmac: Uint8Array): Buffer => mptcp(1, 0, octet(0), hmac.subarray(0, 20)),
  dss: ({ ack, dsn, ssn = 0, length = 0, fin = false, checksum }: DssShape): Buffer => {
    let flags = fin ? 0x10 : 0;
    const body: Buffer[] = [];
    if (ack !== undefined) {
      flags |= typeof ack === "bigint" ? 0x03 : 0x01;
      body.push(numberOf(ack));
    }
    if (dsn !== undefined) {
      flags |= typeof dsn === "bigint" ? 0x0c : 0x04;
      body.push(numberOf(dsn), wordOf(ssn), octet(length >> 8, length & 255));
      if (checksum !== undefined) body.push(octet(checksum >> 8, checksum & 255));
    }
    return mptcp(2, 0, octet(flags), ...body);
  },
  /** Version 1 with an HMAC of eight octets, or version 0 without. */
  addAddr: (
    version: 0 | 1,
    addressId: number,
    ipText: string,
    port?: number,
    echo = false,
    hmac: Uint8Array = Buffer.alloc(8, 0xaa),
  ): Buffer =>
    mptcp(
      3,
      version === 1 ? (echo ? 1 : 0) : ipText.includes(":") ? 6 : 4,
      octet(addressId),
      addressOctets(ipText),
      port === undefined ? Buffer.alloc(0) : octet(port >> 8, port & 255),
      version === 1 && !echo ? hmac : Buffer.alloc(0),
    ),
  removeAddr: (...ids: number[]): Buffer => mptcp(4, 0, octet(...ids)),
  prio: (backup: boolean): Buffer => mptcp(5, backup ? 1 : 0),
  fail: (dsn: bigint): Buffer => mptcp(6, 0, octet(0), longOf(dsn)),
  fastclose: (receiverKey: Uint8Array): Buffer => mptcp(7, 0, octet(0), receiverKey),
  reset: (reason: number): Buffer => mptcp(8, 0, octet(reason)),
  /** Two NOPs and a timestamp, as most stacks begin their options. */
  timestamp: (value: number, echo = 0): Buffer => Buffer.concat([octet(1, 1, 8, 10), wordOf(value), wordOf(echo)]),
};
