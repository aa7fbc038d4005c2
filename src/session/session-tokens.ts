import { FlowIndex } from "../subflow/flow-index.ts";
import * as table from "./session-table.ts";

/** Streams found by one token; hosts choose their keys, and could make a search of many endless. */
const MAX_STREAMS_OF_TOKEN = 16;

/** Which sides of sessions have a token (RFC 8684 §3.2): streams, session * 2 + side. */
export class SessionTokens {
  private readonly table: table.SessionTable;
  private readonly index: FlowIndex;
  private readonly seed: number;
  /** Tokens that the bound kept out of the index: joins to them stay orphans. */
  private unindexed = 0;

  /** @param seed a secret number of this process: a host chooses its keys, and could choose tokens that collide */
  constructor(sessions: table.SessionTable, seed: number) {
    this.table = sessions;
    this.seed = seed;
    // Records are stream numbers; tokens are compared by whoever asks for candidates.
    this.index = new FlowIndex(() => false);
  }

  /** The token word of one side. */
  of(session: number, side: number): number {
    return this.table.words[session * table.SESSION_WORDS + table.TOKEN + side]!;
  }

  /** Whether another stream has the token of this side: hosts chose the same, or one of the two stands for the other. */
  isShared(session: number, side: number): boolean {
    return this.index.hasOther(this.mix(this.of(session, side)), session * 2 + side);
  }

  /** Streams whose side has this token: mostly one, several when hosts chose the same. */
  streamsOf(token: number): number[] {
    return this.index.candidates(this.mix(token));
  }

  /**
   * Makes a side findable by its token, unless as many are as the bound allows; one that is half-open or waits for its
   * handshake gives way.
   */
  add(session: number, side: number): void {
    const hash = this.mix(this.of(session, side));
    const known = this.index.candidates(hash);
    if (known.length >= MAX_STREAMS_OF_TOKEN) {
      this.unindexed++;
      const weak = known.find((stream) => this.isWeak(stream >> 1));
      if (weak === undefined || this.isWeak(session)) return;
      this.index.remove(hash, weak);
    }
    this.index.insert(hash, session * 2 + side);
  }

  /** Forgets a side, before its session's words are given back. */
  remove(session: number, side: number): void {
    this.index.remove(this.mix(this.of(session, side)), session * 2 + side);
  }

  /** How many tokens of a session the bound kept out of the index: joins to them are orphans. */
  shed(session: number): number {
    if (this.unindexed === 0) return 0;
    const state = this.table.state(session);
    return [0, 1].filter((side) => {
      const isKnown = (state & (table.S_KEY << side)) !== 0 || (side === 1 && (state & table.S_ORPHAN) !== 0);
      return isKnown && !this.streamsOf(this.of(session, side)).includes(session * 2 + side);
    }).length;
  }

  private isWeak(session: number): boolean {
    const state = this.table.state(session);
    return (state & table.S_ORPHAN) !== 0 || (state & (table.S_ANSWERED | table.S_ESTABLISHED)) === 0;
  }

  /** One to one, so that equal hashes are equal tokens. */
  private mix(token: number): number {
    const mixed = Math.imul(token ^ this.seed, 0x9e3779b1);
    return (mixed ^ (mixed >>> 16)) >>> 0;
  }
}
