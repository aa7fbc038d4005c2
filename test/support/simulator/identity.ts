import { createHmac } from "node:crypto";
import type { Random } from "../../bench/random.ts";
import { addressOctets, keys, option } from "../packets.ts";
import type { Infinite, Mapping, Said } from "./network.ts";
import { peerOf, type SessionPlan, type Side } from "./plan.ts";

/** Keys whose IDSN lies 4,000 to 8,000 octets below a multiple of 2^32, found by trying; SHA-1, then SHA-256. */
const WRAPPING_KEYS = {
  0: ["5e55000100019d22", "5e550001000564f4"],
  1: ["5e550001000864b7", "5e5500010008dbe7"],
} as const;

/** A segment's options as octets, and what they say. */
export interface Statement {
  readonly options: readonly Uint8Array[];
  readonly said: Said;
}

/** A segment without MPTCP options. */
export const PLAIN: Statement = { options: [], said: {} };

const word = (value: number): Uint8Array => Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);

/** The keys of a session, and the options that are made with them (RFC 6824, RFC 8684). */
export class Identity {
  readonly version: 0 | 1;
  readonly keys: readonly [Uint8Array, Uint8Array];
  readonly tokens: readonly [number, number];
  readonly idsns: readonly [bigint, bigint];
  /** Octets of the initiator's SYN that were acknowledged in it: they lie before IDSN + 1 (RFC 8684 §B). */
  taken = 0;
  private readonly plan: SessionPlan;
  private readonly streams: readonly [Uint8Array, Uint8Array];

  constructor(
    plan: SessionPlan,
    streams: readonly [Uint8Array, Uint8Array],
    random: Random,
    given?: readonly [Uint8Array, Uint8Array],
  ) {
    const { version } = plan;
    const [one, other] = WRAPPING_KEYS[version];
    const wrapping = [Buffer.from(one, "hex"), Buffer.from(other, "hex")] as const;
    this.plan = plan;
    this.version = version;
    this.streams = streams;
    this.keys = given ?? (plan.wrapDsn ? wrapping : [random.octets(8), random.octets(8)]);
    this.tokens = [keys.token(this.keys[0], version), keys.token(this.keys[1], version)];
    this.idsns = [keys.idsn(this.keys[0], version), keys.idsn(this.keys[1], version)];
  }

  /** The data sequence number of a stream offset. */
  dsn(side: Side, offset: number): bigint {
    const shift = side === 0 ? this.taken : 0;
    return BigInt.asUintN(64, this.idsns[side] + 1n + BigInt(offset - shift));
  }

  /** MP_CAPABLE of the three segments of the handshake. */
  capable(segment: "syn" | "syn-ack" | "ack"): Statement {
    const [own, peers] = this.keys;
    const sent = segment === "syn" ? (this.version === 0 ? [own] : []) : segment === "syn-ack" ? [peers] : [own, peers];
    return { options: [option.capable(this.version, sent, [], this.flags)], said: { capable: true } };
  }

  /** MP_CAPABLE with the initiator's first data (RFC 8684 §3.1). */
  capableData(mapping: Mapping): Statement {
    const sum = this.plan.checksum ? [this.checksum(0, mapping, 1)] : [];
    return {
      options: [option.capable(1, this.keys, [mapping.length, ...sum], this.flags)],
      said: { capable: true, mapping },
    };
  }

  /** A DSS of this sender: what it has received of the peer, and perhaps a mapping. */
  dss(side: Side, dataAck: number, mapping?: Mapping): Statement {
    const ack = this.stated(peerOf(side), dataAck, this.plan.narrowAck);
    if (mapping === undefined) return { options: [option.dss({ ack })], said: { dataAck } };
    const dsn = this.stated(side, mapping.offset);
    const { ssn, fin } = mapping;
    const length = mapping.length + (fin ? 1 : 0);
    const sum = this.plan.checksum ? { checksum: this.checksum(side, mapping, ssn) } : {};
    return { options: [option.dss({ ack, dsn, ssn, length, fin, ...sum })], said: { dataAck, mapping } };
  }

  /** A DSS with an infinite mapping: without a length, and its checksum is 0 where there are any (RFC 8684 §3.3.1, §3.7). */
  infinite(side: Side, dataAck: number, infinite: Infinite): Statement {
    const [ack, dsn] = [this.stated(peerOf(side), dataAck, this.plan.narrowAck), this.stated(side, infinite.offset)];
    const sum = this.plan.checksum ? { checksum: 0 } : {};
    const octets = option.dss({ ack, dsn, ssn: infinite.ssn >>> 0, length: 0, ...sum });
    return { options: [octets], said: { dataAck, infinite } };
  }

  /** MP_JOIN of the three segments of a further subflow; nonces of opener and listener. */
  join(
    segment: "syn" | "syn-ack" | "ack",
    opener: Side,
    nonces: readonly [number, number],
    id: number,
    backup: boolean,
  ) {
    const listener = peerOf(opener);
    const [own, theirs] = [this.keys[opener], this.keys[listener]];
    const [nonce, answer] = nonces;
    const octets =
      segment === "syn"
        ? option.joinSyn(this.tokens[listener], nonce, id, backup)
        : segment === "syn-ack"
          ? option.joinSynAck(keys.hmac(this.version, theirs, own, answer, nonce), answer, id, backup)
          : option.joinAck(keys.hmac(this.version, own, theirs, nonce, answer));
    return { options: [octets], said: { joinNonce: segment === "syn-ack" ? answer : nonce } } satisfies Statement;
  }

  /** ADD_ADDR; in version 1 with its HMAC (RFC 8684 §3.4.1), over port 0 where there is none. */
  addAddress(side: Side, id: number, ip: string, port?: number): Statement {
    const told = Buffer.concat([Uint8Array.of(id), addressOctets(ip), word(port ?? 0).subarray(2)]);
    const key = Buffer.concat([this.keys[side], this.keys[peerOf(side)]]);
    const hmac = createHmac("sha256", key).update(told).digest().subarray(-8);
    return { options: [option.addAddr(this.version, id, ip, port, false, hmac)], said: {} };
  }

  /** MP_FASTCLOSE, with the key of who receives it. */
  fastclose(side: Side): Statement {
    return { options: [option.fastclose(this.keys[peerOf(side)])], said: { fastclose: true } };
  }

  /** MP_TCPRST, which version 1 has, with this reason (RFC 8684 §3.6); null: nothing. */
  reset(reason: number | null): Statement {
    return this.version === 1 && reason !== null ? { options: [option.reset(reason)], said: {} } : PLAIN;
  }

  /** MP_FAIL of a host that names an offset in the peer's stream, as that of a wrong checksum (RFC 8684 §3.7). */
  fail(side: Side, offset: number): Statement {
    return { options: [option.fail(this.dsn(peerOf(side), offset))], said: { fail: offset } };
  }

  /** A data sequence number of 64 bits, or as `isNarrow` wants it of 32. */
  private stated(side: Side, offset: number, isNarrow = this.plan.narrowDsn): bigint | number {
    const wide = this.dsn(side, offset);
    return isNarrow ? Number(BigInt.asUintN(32, wide)) : wide;
  }

  private get flags(): number {
    return this.plan.checksum ? 0x81 : 0x01;
  }

  /** RFC 8684 §3.3.1: ones-complement sum over DSN, subflow sequence number, length, and the payload. */
  checksum(
    side: Side,
    mapping: Mapping,
    ssn: number,
    payload = this.streams[side].subarray(mapping.offset, mapping.offset + mapping.length),
  ): number {
    const head = Buffer.alloc(16);
    head.writeBigUInt64BE(this.dsn(side, mapping.offset));
    head.writeUInt32BE(ssn, 8);
    head.writeUInt16BE(mapping.length + (mapping.fin ? 1 : 0), 12);
    const octets = Buffer.concat([head, payload, Buffer.alloc(payload.length % 2)]);
    let sum = 0;
    for (let at = 0; at < octets.length; at += 2) sum += octets.readUInt16BE(at);
    while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
    return ~sum & 0xffff;
  }
}
