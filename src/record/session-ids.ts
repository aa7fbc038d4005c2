/** Ended sessions whose ids are remembered, so that whoever repeats a handshake later does not get its id. */
export const PAST_IDS = 16_384;

/** How often an id was given away, and how many of those sessions are alive or remembered. */
interface Uses {
  given: number;
  kept: number;
}

/**
 * Gives each live session an id of its own. Only sessions with a repeated handshake can have the same one by what
 * identifies them: the second gets `-2` behind it, in a time that does not depend on how many there were.
 */
export class SessionIds {
  private readonly ids = new Map<number, string>();
  /** By id without a number behind it; bounded by the session table and the ended sessions that are remembered. */
  private readonly uses = new Map<string, Uses>();
  /** A ring of the sessions that ended last. */
  private readonly past: string[] = [];
  private next = 0;
  private readonly maxPast: number;

  /** @param maxPast ended sessions that are remembered; the oldest gives way */
  constructor(maxPast: number) {
    this.maxPast = maxPast;
  }

  /** The id of a session, which is `make()` where nobody else has that. */
  of(session: number, make: () => string): string {
    const known = this.ids.get(session);
    if (known !== undefined) return known;
    const id = make();
    const uses = this.uses.get(id) ?? { given: 0, kept: 0 };
    uses.given++;
    uses.kept++;
    this.uses.set(id, uses);
    const own = uses.given === 1 ? id : `${id}-${uses.given}`;
    this.ids.set(session, own);
    return own;
  }

  /** The id that a session was given; undefined where nobody has asked for one yet. */
  known(session: number): string | undefined {
    return this.ids.get(session);
  }

  /** Forgets a session, whose number is another's then; returns its id, or null where it was given none. */
  forget(session: number): string | null {
    const own = this.ids.get(session);
    if (own === undefined) return null;
    this.ids.delete(session);
    const [id = own] = own.split("-", 1);
    const oldest = this.past[this.next];
    this.past[this.next] = id;
    this.next = (this.next + 1) % this.maxPast;
    const uses = oldest === undefined ? undefined : this.uses.get(oldest);
    if (oldest !== undefined && uses !== undefined && --uses.kept === 0) this.uses.delete(oldest);
    return own;
  }
}
