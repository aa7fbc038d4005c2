import { ACK, type DssShape, type Endpoint, FIN, keys, option, PSH, RST, SYN, segment } from "./packets.ts";
import type { StatedPacket } from "./pcapng.ts";

/** Time of the first packet, microseconds since 1970; each one comes a millisecond after the one before. */
export const BEGIN = 1_790_000_000_000_000;
const STEP = 1_000;

/** 0: the initiator, 1: the responder. */
export type Side = 0 | 1;
const other = (side: Side): Side => (side === 0 ? 1 : 0);

/** One TCP connection of a conversation: ends and sequence numbers by side of the session. */
export interface Subflow {
  readonly ends: readonly [Endpoint, Endpoint];
  readonly opener: Side;
  readonly isn: readonly [number, number];
  /** Relative subflow sequence numbers of the next octets. */
  readonly next: [number, number];
}

export interface ConversationShape {
  readonly version?: 0 | 1;
  readonly ends?: readonly [Endpoint, Endpoint];
  readonly keys?: readonly [Uint8Array, Uint8Array];
  readonly isn?: readonly [number, number];
  readonly checksum?: boolean;
  readonly atMicros?: number;
}

export interface SendShape {
  readonly on?: Subflow;
  /** Offset in the stream; the next one where absent. */
  readonly at?: number;
  /** Offset up to which it acknowledges the other side's stream; all of it where absent. */
  readonly ack?: number;
  /** Send 32-bit data sequence numbers. */
  readonly narrow?: boolean;
  readonly fin?: boolean;
  /** Sequence number on the subflow; the next one where absent. */
  readonly ssn?: number;
}

export interface JoinShape {
  readonly opener?: Side;
  readonly ends?: readonly [Endpoint, Endpoint];
  readonly nonces?: readonly [number, number];
  /** Whose HMAC is wrong: the opener's or the listener's. */
  readonly wrong?: "opener" | "listener";
  readonly backup?: boolean;
  readonly token?: number;
}

/** Two hosts that speak MPTCP, and what an observer between them sees: `packets`, which a test may change at will. */
export class Conversation {
  readonly packets: StatedPacket[] = [];
  readonly version: 0 | 1;
  readonly keys: readonly [Uint8Array, Uint8Array];
  readonly initial: Subflow;
  /** Stream offsets of the next octets. */
  readonly offset: [number, number] = [0, 0];
  atMicros: number;
  private readonly flags: number;
  private ipId = 1;

  constructor(shape: ConversationShape = {}) {
    this.version = shape.version ?? 1;
    this.keys = shape.keys ?? [Buffer.from("1122334455667788", "hex"), Buffer.from("99aabbccddeeff00", "hex")];
    this.flags = shape.checksum ? 0x81 : 0x01;
    this.atMicros = shape.atMicros ?? BEGIN;
    const ends = shape.ends ?? [
      { ip: "10.1.0.1", port: 40_000 },
      { ip: "10.2.0.2", port: 443 },
    ];
    this.initial = { ends, opener: 0, isn: shape.isn ?? [1_000_000, 2_000_000], next: [1, 1] };
  }

  token(side: Side): number {
    return keys.token(this.keys[side], this.version);
  }

  /** The data sequence number of a stream offset. */
  dsn(side: Side, offset: number): bigint {
    return BigInt.asUintN(64, keys.idsn(this.keys[side], this.version) + 1n + BigInt(offset));
  }

  /** One segment as it is stated; the subflow's next sequence numbers move on by what it occupies. */
  segment(
    on: Subflow,
    side: Side,
    flags: number,
    options: readonly Uint8Array[] = [],
    payload: Uint8Array = Buffer.alloc(0),
    ssn: number = flags & SYN ? 0 : on.next[side],
  ): this {
    const peer = other(side);
    const octets = segment({
      from: on.ends[side],
      to: on.ends[peer],
      flags,
      seq: on.isn[side] + ssn,
      ack: flags & ACK ? on.isn[peer] + on.next[peer] : 0,
      options,
      payload,
      ipId: this.ipId++ & 0xffff,
    });
    on.next[side] = Math.max(on.next[side], ssn + payload.length + (flags & FIN ? 1 : 0));
    this.packets.push({ atMicros: this.atMicros, wire: octets.length, octets });
    this.atMicros += STEP;
    return this;
  }

  /** The three segments of the MP_CAPABLE handshake; `parts` leaves some out. */
  open(parts: readonly ("syn" | "syn-ack" | "ack")[] = ["syn", "syn-ack", "ack"]): this {
    const { initial, version, flags } = this;
    const [own, peers] = this.keys;
    if (parts.includes("syn")) {
      this.segment(initial, 0, SYN, [option.capable(version, version === 0 ? [own] : [], [], flags)]);
    }
    if (parts.includes("syn-ack")) {
      this.segment(initial, 1, SYN | ACK, [option.capable(version, [peers], [], flags)]);
    }
    if (parts.includes("ack")) this.segment(initial, 0, ACK, [option.capable(version, [own, peers], [], flags)]);
    return this;
  }

  /** The three segments of a MP_JOIN handshake. */
  join(shape: JoinShape = {}): Subflow {
    const opener = shape.opener ?? 0;
    const listener = other(opener);
    const ends = shape.ends ?? [
      { ip: "10.1.9.1", port: 50_000 },
      { ip: "10.2.0.2", port: 443 },
    ];
    const on: Subflow = { ends, opener, isn: [3_000_000, 4_000_000], next: [1, 1] };
    const [nonce, answer] = shape.nonces ?? [0x01020304, 0x0a0b0c0d];
    const { version } = this;
    const wrong = Buffer.alloc(20, 0x55);
    const ofListener = keys.hmac(version, this.keys[listener], this.keys[opener], answer, nonce);
    const ofOpener = keys.hmac(version, this.keys[opener], this.keys[listener], nonce, answer);
    this.segment(on, opener, SYN, [option.joinSyn(shape.token ?? this.token(listener), nonce, 1, shape.backup)]);
    this.segment(on, listener, SYN | ACK, [
      option.joinSynAck(shape.wrong === "listener" ? wrong : ofListener, answer, 2),
    ]);
    this.segment(on, opener, ACK, [option.joinAck(shape.wrong === "opener" ? wrong : ofOpener)]);
    return on;
  }

  /** Octets of a stream in one segment with a mapping of its own. */
  send(side: Side, text: string | Uint8Array, shape: SendShape = {}): this {
    const { on = this.initial, at = this.offset[side], narrow = false, fin = false } = shape;
    const { ack = this.offset[other(side)] } = shape;
    const payload = Buffer.from(text);
    const ssn = shape.ssn ?? on.next[side];
    const dsn = this.dsn(side, at);
    this.offset[side] = Math.max(this.offset[side], at + payload.length);
    return this.segment(
      on,
      side,
      ACK | PSH,
      [
        this.dss({
          ack: this.dsn(other(side), ack),
          dsn: narrow ? Number(BigInt.asUintN(32, dsn)) : dsn,
          ssn,
          length: payload.length + (fin ? 1 : 0),
          fin,
        }),
      ],
      payload,
      ssn,
    );
  }

  /** A DATA_FIN without payload (RFC 8684 §3.3.3: length 1, subflow sequence 0). */
  dataFin(side: Side, on: Subflow = this.initial): this {
    const ack = this.dsn(other(side), this.offset[other(side)]);
    return this.segment(on, side, ACK, [
      this.dss({ ack, dsn: this.dsn(side, this.offset[side]), length: 1, fin: true }),
    ]);
  }

  /** FINs of both ends of a subflow, and the last acknowledgment. */
  fins(on: Subflow = this.initial): this {
    this.segment(on, 0, FIN | ACK, [this.dss({ ack: this.dsn(1, this.offset[1]) })]);
    this.segment(on, 1, FIN | ACK, [this.dss({ ack: this.dsn(0, this.offset[0]) })]);
    return this.segment(on, 0, ACK, [this.dss({ ack: this.dsn(1, this.offset[1]) })]);
  }

  reset(side: Side, on: Subflow = this.initial, options: readonly Uint8Array[] = []): this {
    return this.segment(on, side, RST, options);
  }

  /** Both DATA_FINs, and FINs on these subflows. */
  close(...subflows: readonly Subflow[]): this {
    this.dataFin(0).dataFin(1);
    for (const on of subflows.length === 0 ? [this.initial] : subflows) this.fins(on);
    return this;
  }

  /** Lets time pass. */
  wait(seconds: number): this {
    this.atMicros += seconds * 1_000_000;
    return this;
  }

  private dss(shape: DssShape): Buffer {
    return option.dss(shape);
  }
}
