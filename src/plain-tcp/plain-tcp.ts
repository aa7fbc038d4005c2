import type { Side } from "../pipeline-contract.ts";
import type { StreamChunk } from "../reassembly/stream-chunks.ts";
import type { OctetWishes } from "../reassembly/stream-octets.ts";
import type { Close } from "../session/ending.ts";
import { firstSubflow } from "../session/identity.ts";
import type { SessionObserver } from "../session/session-observer.ts";
import type { Sessions } from "../session/sessions.ts";
import * as flow from "../subflow/subflow-row.ts";
import { ACK, FIN, PSH, RST, SYN } from "../wire/tcp.ts";
import { type Ends, mostPayload, SegmentEncoder } from "./segment-encoder.ts";

/**
 * The most octets of a hole that sequence numbers step over: half of what a window can be (RFC 7323 §2.3). Behind a longer step
 * they would lie outside of it, and be taken for old ones.
 */
const MAX_STEP = 2 ** 29;
const NOTHING = new Uint8Array(0);

/** A session as one connection. */
interface Connection {
  readonly ends: Ends;
  /** The next sequence number of each side, modulo 2^32. */
  readonly next: [number, number];
}

/**
 * Tells each session once more, as one plain TCP connection between the ends of its initial subflow: for programs that know
 * TCP and nothing of MPTCP. Handshake, both streams in the order in which the sides spoke, each run of octets with its
 * acknowledgment, and the end; what is missing of a stream is octets that were sent and not seen. A session that did not end
 * has no end there either. `records` is told everything as if it were the only one.
 */
export class PlainTcp implements SessionObserver {
  readonly octets: OctetWishes;
  readonly partial: boolean;
  private readonly records: SessionObserver;
  private readonly tell: (packet: Uint8Array, atMicros: number) => void;
  private readonly encoder = new SegmentEncoder();
  private sessions: Sessions | null = null;
  /** By session; bounded by the session table. */
  private readonly connections = new Map<number, Connection>();
  /** µs of the packet told last: time does not step back. */
  private atMicros = 0;

  /** @param tell takes each packet, which is valid during the call, with its time; these do not step back. Must not throw. */
  constructor(records: SessionObserver, tell: (packet: Uint8Array, atMicros: number) => void) {
    this.records = records;
    this.tell = tell;
    this.partial = records.partial;
    const { chunk } = records.octets;
    this.octets = {
      ...records.octets,
      turns: true,
      chunk: (octets) => {
        chunk?.(octets);
        this.take(octets);
      },
    };
  }

  /** Says whose sessions are meant: the session stage is made with its observer. */
  watch(sessions: Sessions): void {
    this.sessions = sessions;
  }

  opened(session: number, atMicros: number): void {
    this.connectionOf(session);
    this.records.opened(session, atMicros);
  }

  updated(session: number, atMicros: number): void {
    this.records.updated(session, atMicros);
  }

  ended(session: number, close: Close, atMicros: number): void {
    // The last chunks come of it.
    this.records.ended(session, close, atMicros);
    const connection = this.connections.get(session);
    this.connections.delete(session);
    if (connection !== undefined) this.close(connection, close);
  }

  merged(session: number): void {
    this.records.merged(session);
    this.connections.delete(session);
  }

  private take({ stream, hole, octets }: StreamChunk): void {
    const session = stream >>> 1;
    const side = (stream & 1) as Side;
    const connection = this.connectionOf(session);
    if (connection === null || (octets.length === 0 && hole === 0)) return;
    this.pass(this.sessions?.lastMicros(session) ?? 0);
    this.step(connection, side, Math.min(hole, MAX_STEP));
    const most = mostPayload(connection.ends);
    for (let at = 0; at < octets.length; at += most) {
      const isLast = at + most >= octets.length;
      this.send(connection, side, isLast ? PSH | ACK : ACK, octets.subarray(at, at + most));
    }
    this.send(connection, other(side), ACK);
  }

  /** A session's connection, whose handshake is told when it is asked for first; null where it has no subflow. */
  private connectionOf(session: number): Connection | null {
    const { sessions } = this;
    const known = this.connections.get(session);
    if (known !== undefined || sessions === null) return known ?? null;
    const subflow = firstSubflow(sessions, session);
    if (subflow < 0) return null;
    const connection = connectionAlong(sessions, subflow);
    this.connections.set(session, connection);
    this.pass(sessions.startMicros(subflow));
    this.send(connection, 0, SYN);
    this.send(connection, 1, SYN | ACK);
    this.send(connection, 0, ACK);
    return connection;
  }

  private close(connection: Connection, { reason, by }: Close): void {
    if (reason === "fastclose" || reason === "reset") {
      this.send(connection, by === "responder" ? 1 : 0, RST | ACK);
    } else if (reason === "fin") {
      for (const side of [0, 1] as const) {
        if (by === (side === 0 ? "responder" : "initiator")) continue;
        this.send(connection, side, FIN | ACK);
        this.send(connection, other(side), ACK);
      }
    }
  }

  private send(connection: Connection, from: Side, flags: number, payload: Uint8Array = NOTHING): void {
    const { ends, next } = connection;
    const fields = { from, flags, seq: next[from], ack: flags & ACK ? next[other(from)] : 0 };
    this.tell(this.encoder.encode(ends, fields, payload), this.atMicros);
    this.step(connection, from, payload.length + (flags & (SYN | FIN) ? 1 : 0));
  }

  private step({ next }: Connection, side: Side, octets: number): void {
    next[side] = (next[side] + octets) >>> 0;
  }

  private pass(atMicros: number): void {
    this.atMicros = Math.max(this.atMicros, atMicros);
  }
}

/** A connection with the ends of a subflow, and its initial sequence numbers as far as they are known. */
function connectionAlong(sessions: Sessions, subflow: number): Connection {
  const { hot } = sessions.subflows;
  const isn = (side: Side): number => hot[flow.direction(subflow, sessions.higherOf(subflow, side)) + flow.ISN] ?? 0;
  return {
    ends: {
      isIpv6: ((hot[subflow * flow.HOT_WORDS + flow.STATE] ?? 0) & flow.STATE_IPV6) !== 0,
      // Their own copies: the subflow may be gone before the session is.
      addresses: [sessions.addressWords(subflow, 0).slice(), sessions.addressWords(subflow, 1).slice()],
      ports: [sessions.port(subflow, 0), sessions.port(subflow, 1)],
    },
    next: [isn(0), isn(1)],
  };
}

const other = (side: Side): Side => (side === 0 ? 1 : 0);
