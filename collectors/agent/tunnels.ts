import type { Destination } from "../../schema/configuration/destination.ts";
import { nameHash, placeOf } from "../../src/encapsulate/session-hash.ts";
import { OperationalError } from "../runtime/errors.ts";
import { type Tunnel, type TunnelCounters, tunnelName } from "./tunnel.ts";

const NONE: TunnelCounters = { sent: 0, reports: 0, cut: 0, failed: 0, refused: 0, tooLong: 0, dropped: 0 };

/** The ways to an agent's collectors, and which session goes which: in every agent the same. */
export class Tunnels {
  all: readonly Tunnel[];
  private names: Uint32Array;
  private readonly isOpen: (place: number) => boolean;
  private nowMs = 0;
  private isClosed = false;
  /** What is to be done with a tunnel before it is closed. */
  farewell: (tunnel: Tunnel) => void = () => {};
  /** Those that wait for copies under way: they count until they are closed. */
  private leaving: readonly Tunnel[] = [];
  /** Counts of those that were closed. */
  private gone = NONE;

  /** @param all at least one; their names decide, not their order */
  constructor(all: readonly Tunnel[]) {
    this.all = all;
    this.names = namesOf(all);
    this.isOpen = (place) => this.all[place]?.isOpen(this.nowMs) ?? false;
  }

  /** Opens the ways to collectors. Rejects with an OperationalError when there is none to one of them; none is open then. */
  static async open(to: readonly Destination[], open: (to: Destination) => Promise<Tunnel>): Promise<Tunnels> {
    const tunnels = new Tunnels([]);
    await tunnels.change(to, open);
    return tunnels;
  }

  /**
   * Opens those that are new, and closes those that are no more. `prepare` is called with those there will be, before the
   * first copy goes a new way. Rejects as both do, and with an OperationalError where all were closed meanwhile; all is as it
   * was then.
   */
  async change(
    to: readonly Destination[],
    open: (to: Destination) => Promise<Tunnel>,
    prepare: (all: readonly Tunnel[]) => Promise<void> = async () => {},
  ): Promise<void> {
    const wanted = new Map(to.map((destination) => [tunnelName(destination), destination]));
    const before = this.all;
    const kept = before.filter(({ name }) => wanted.delete(name));
    const opened: Tunnel[] = [];
    try {
      for (const destination of wanted.values()) opened.push(await open(destination));
      await prepare([...kept, ...opened]);
      // A name may take long to look up.
      if (this.isClosed) throw new OperationalError("ended", "the agent has ended meanwhile");
    } catch (error) {
      for (const { transmitter } of opened) await transmitter.close();
      throw error;
    }
    this.all = [...kept, ...opened];
    this.names = namesOf(this.all);
    const leaving = before.filter((one) => !kept.includes(one));
    this.leaving = [...this.leaving, ...leaving];
    await Promise.all(leaving.map((tunnel) => this.leave(tunnel)));
  }

  /** What became of copies since the start, over all ways. */
  counters(): TunnelCounters {
    return [...this.all, ...this.leaving].reduce((total, tunnel) => sum(total, tunnel.counters()), this.gone);
  }

  /**
   * The way that a session's copies go: that of its collector, of another while that one cannot be reached, and the first
   * of all while none can. To be told the time, of a clock that does not go back, now and then.
   */
  of(session: number): Tunnel {
    const [only] = this.all;
    if (only !== undefined && this.all.length === 1) return only;
    const place = placeOf(session, this.names, this.isOpen);
    const found = this.all[place < 0 ? placeOf(session, this.names, () => true) : place];
    if (found === undefined) throw new Error("an agent has a collector");
    return found;
  }

  /** Has each look at what its way has become. */
  async look(nowMs: number): Promise<void> {
    this.nowMs = nowMs;
    await Promise.all(this.all.map((tunnel) => tunnel.look(nowMs)));
  }

  /** Sends what has been gathered. */
  flush(): void {
    for (const { transmitter } of this.all) transmitter.flush();
  }

  /** Resolves when each queue has room. */
  async room(): Promise<void> {
    for (const { transmitter } of this.all) await transmitter.room();
  }

  /** Waits a little for copies under way, and closes all. */
  async close(): Promise<void> {
    this.isClosed = true;
    for (const tunnel of this.all) this.farewell(tunnel);
    await Promise.all(this.all.map(({ transmitter }) => transmitter.close()));
  }

  private async leave(tunnel: Tunnel): Promise<void> {
    this.farewell(tunnel);
    await tunnel.transmitter.close();
    this.leaving = this.leaving.filter((one) => one !== tunnel);
    this.gone = sum(this.gone, tunnel.counters());
  }
}

const namesOf = (all: readonly Tunnel[]): Uint32Array => Uint32Array.from(all, ({ name }) => nameHash(name));

function sum(a: TunnelCounters, b: TunnelCounters): TunnelCounters {
  return {
    sent: a.sent + b.sent,
    reports: a.reports + b.reports,
    cut: a.cut + b.cut,
    failed: a.failed + b.failed,
    refused: a.refused + b.refused,
    tooLong: a.tooLong + b.tooLong,
    dropped: a.dropped + b.dropped,
  };
}
