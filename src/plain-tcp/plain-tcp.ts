import type { PcapFormat } from "../capture-file/pcap-encoder.ts";
import type { Side } from "../pipeline-contract.ts";
import type { StreamChunk } from "../reassembly/stream-chunk.ts";
import type { OctetWishes } from "../reassembly/stream-octets.ts";
import { acknowledgedOf } from "../session/acknowledged.ts";
import { type Close, naturalClose } from "../session/ending.ts";
import { firstSubflow } from "../session/identity.ts";
import type { SessionObserver } from "../session/session-observer.ts";
import * as table from "../session/session-table.ts";
import type { Sessions } from "../session/sessions.ts";
import { streamEnd } from "../session/stream-end.ts";
import * as flow from "../subflow/subflow-row.ts";
import { LINKTYPE_RAW } from "../wire/link-type.ts";
import { ACK, FIN, PSH, RST, SYN } from "../wire/tcp.ts";
import { Answers } from "./answers.ts";
import { type Ends, mostPayload, SegmentEncoder } from "./segment-encoder.ts";

/**
 * The most octets of a hole that sequence numbers step over: half of what a window can be (RFC 7323 §2.3). Behind a longer step
 * they would lie outside of it, and be taken for old ones.
 */
const MAX_STEP = 2 ** 29;
/** Octets that are kept of sessions that are none yet. At the bound they are counted as not told. */
const MAX_EARLY_OCTETS = 4 * 1024 * 1024;
const NOTHING = new Uint8Array(0);

/** How files have what is told: IP packets, in microseconds. */
export const PLAIN_TCP_FORMAT: PcapFormat = { linkType: LINKTYPE_RAW, nanoseconds: false, littleEndian: true };

/** A session as one connection. */
interface Connection {
  readonly ends: Ends;
  /** The same for whoever has these two ends. */
  readonly key: string;
  /** The next sequence number of each side, modulo 2^32. */
  readonly next: [number, number];
  /** Up to which offset each stream was told. */
  readonly told: [number, number];
  /** Another session has its ends now: nothing more is told of it. */
  isOver: boolean;
}

/**
 * Tells each session once more, as one plain TCP connection between the ends of its initial subflow: for programs that know
 * TCP and nothing of MPTCP. Handshake, both streams in the order in which the sides spoke, each run of octets with its
 * acknowledgment, and the end; what is missing of a stream is octets that were sent and not seen. A session that did not end
 * has no end there either. Of two sessions with the same ends the first is told until the second begins. `records` is told
 * everything as if it were the only one.
 */
export class PlainTcp implements SessionObserver {
  readonly octets: OctetWishes;
  readonly partial: boolean;
  /** Octets that came in time and are in no connection: its ends were another session's by then, or a bound was met. */
  untoldOctets = 0;
  private readonly records: SessionObserver;
  private readonly tell: (packet: Uint8Array, atMicros: number) => void;
  private readonly encoder = new SegmentEncoder();
  private readonly answers = new Answers(
    (chunk) => this.put(chunk),
    (stream) => this.connections.get(stream >>> 1)?.told[(stream & 1) as Side] ?? 0,
  );
  private sessions: Sessions | null = null;
  /** By session; bounded by the session table. */
  private readonly connections = new Map<number, Connection>();
  /** Sessions by the key of their connection, unless that is over. */
  private readonly holders = new Map<string, number>();
  /** What a SYN brought of sessions that are none yet; it is forgotten where they never are. */
  private readonly early = new Map<number, StreamChunk[]>();
  private earlyOctets = 0;
  /** µs of the packet told last: time does not step back. */
  private atMicros = 0;

  /** @param tell takes each packet, which is valid during the call, with its time; these do not step back. Must not throw. */
  constructor(records: SessionObserver, tell: (packet: Uint8Array, atMicros: number) => void) {
    this.records = records;
    this.tell = tell;
    this.partial = records.partial;
    const { pieces, chunk } = records.octets;
    this.octets = {
      ...records.octets,
      turns: true,
      pieces: (octets) => {
        pieces?.(octets);
        this.answers.note(octets);
      },
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

  /** Runs of octets that, for a bound, did not wait for what they answer. */
  get earlyAnswers(): number {
    return this.answers.early;
  }

  opened(session: number, atMicros: number): void {
    this.connectionOf(session, atMicros);
    this.records.opened(session, atMicros);
  }

  updated(session: number, atMicros: number): void {
    this.records.updated(session, atMicros);
  }

  ended(session: number, close: Close, atMicros: number): void {
    // The last chunks come of it.
    this.records.ended(session, close, atMicros);
    const connection = this.connections.get(session);
    this.answers.release(session);
    if (connection !== undefined) this.close(session, connection, close, atMicros);
    this.forget(session);
  }

  merged(session: number): void {
    this.records.merged(session);
    this.forget(session);
  }

  private forget(session: number): void {
    const connection = this.connections.get(session);
    if (connection !== undefined && !connection.isOver) this.holders.delete(connection.key);
    this.connections.delete(session);
    this.answers.forget(session);
    this.takeEarly(session);
  }

  /** Lets packet time pass. */
  advance(nowMicros: number): void {
    if (this.sessions !== null) this.answers.advance(this.sessions, nowMicros);
  }

  private take(chunk: StreamChunk): void {
    const { sessions } = this;
    const session = chunk.stream >>> 1;
    if (sessions === null) return;
    const connection = this.connectionOf(session, chunk.newestMicros);
    if (connection === null) this.keep(session, chunk);
    else if (connection.isOver) this.untoldOctets += chunk.octets.length;
    else this.answers.take(sessions, chunk);
  }

  private put({ stream, offset, hole, octets, newestMicros }: StreamChunk): void {
    const connection = this.connections.get(stream >>> 1);
    if (connection === undefined) return;
    const side = (stream & 1) as Side;
    if (octets.length === 0 && hole === 0) return;
    this.pass(newestMicros);
    connection.told[side] = offset + octets.length;
    this.step(connection, side, Math.min(hole, MAX_STEP));
    const most = mostPayload(connection.ends);
    for (let at = 0; at < octets.length; at += most) {
      const isLast = at + most >= octets.length;
      this.send(connection, side, isLast ? PSH | ACK : ACK, octets.subarray(at, at + most));
    }
    this.send(connection, other(side), ACK);
  }

  /** Keeps octets of a session that is none yet, and may never be. */
  private keep(session: number, chunk: StreamChunk): void {
    if (this.earlyOctets + chunk.octets.length > MAX_EARLY_OCTETS) {
      this.untoldOctets += chunk.octets.length;
      return;
    }
    this.earlyOctets += chunk.octets.length;
    const kept = this.early.get(session) ?? [];
    if (kept.length === 0) this.early.set(session, kept);
    // They may be a Buffer, whose `slice` copies nothing.
    kept.push({ ...chunk, octets: new Uint8Array(chunk.octets) });
  }

  private takeEarly(session: number): readonly StreamChunk[] {
    const chunks = this.early.get(session) ?? [];
    this.early.delete(session);
    for (const { octets } of chunks) this.earlyOctets -= octets.length;
    return chunks;
  }

  /**
   * A session's connection, whose handshake is told when it is asked for first, by what came at `atMicros`; null where it has no
   * subflow, or its handshake is not complete.
   */
  private connectionOf(session: number, atMicros: number): Connection | null {
    const { sessions } = this;
    const known = this.connections.get(session);
    if (known !== undefined || sessions === null) return known ?? null;
    const subflow = firstSubflow(sessions, session);
    if (subflow < 0 || (sessions.table.state(session) & table.S_ESTABLISHED) === 0) return null;
    const connection = connectionAlong(sessions, subflow);
    const holder = this.holders.get(connection.key);
    if (holder !== undefined) this.supersede(holder, atMicros);
    this.holders.set(connection.key, session);
    this.connections.set(session, connection);
    // No later than what shows that it is one: of a single packet the time may be wrong.
    this.pass(Math.min(sessions.startMicros(subflow), atMicros));
    this.send(connection, 0, SYN);
    this.send(connection, 1, SYN | ACK);
    this.send(connection, 0, ACK);
    for (const chunk of this.takeEarly(session)) this.put(chunk);
    return connection;
  }

  /** Another session begins between the ends of this one: what waits of it is told now, and its end if it has one. */
  private supersede(session: number, atMicros: number): void {
    const { sessions } = this;
    const connection = this.connections.get(session);
    if (sessions === null || connection === undefined) return;
    for (const side of [0, 1]) sessions.octets.chunks?.giveUp(session * 2 + side);
    this.answers.release(session);
    const close = naturalClose(sessions, session, true);
    // Nobody: it may go on over other subflows.
    if (close !== null && close.by !== null) this.close(session, connection, close, atMicros);
    connection.isOver = true;
  }

  private close(session: number, connection: Connection, { reason, by }: Close, atMicros: number): void {
    const { sessions } = this;
    if (sessions === null || connection.isOver) return;
    this.pass(Math.min(sessions.lastMicros(session), atMicros));
    for (const side of [0, 1] as const) {
      const end = streamEnd(sessions, session, side) ?? acknowledgedOf(sessions, session, side) ?? 0;
      if (end <= connection.told[side]) continue;
      // Nobody saw the last ones.
      this.step(connection, side, Math.min(end - connection.told[side], MAX_STEP));
      this.send(connection, other(side), ACK);
    }
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
  const { hot, seldom } = sessions.subflows;
  const isn = (side: Side): number => hot[flow.direction(subflow, sessions.higherOf(subflow, side)) + flow.ISN] ?? 0;
  // Their own copies: the subflow may be gone before the session is.
  const addresses = [sessions.addressWords(subflow, 0).slice(), sessions.addressWords(subflow, 1).slice()] as const;
  const ports = [sessions.port(subflow, 0), sessions.port(subflow, 1)] as const;
  return {
    ends: { isIpv6: ((hot[subflow * flow.HOT_WORDS + flow.STATE] ?? 0) & flow.STATE_IPV6) !== 0, addresses, ports },
    key: [`${addresses[0]} ${ports[0]}`, `${addresses[1]} ${ports[1]}`].sort().join(" "),
    // A subflow's ISN stands behind the octets of its SYN.
    next: [(isn(0) - (seldom.synOctets.get(subflow) ?? 0)) >>> 0, isn(1)],
    told: [0, 0],
    isOver: false,
  };
}

const other = (side: Side): Side => (side === 0 ? 1 : 0);
