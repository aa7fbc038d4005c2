/** Sessions that are alive together. */
export interface LiveShape {
  readonly sessions: number;
  /** Subflows of each session; null: 1, 2, 3, 4 in turn. */
  readonly subflows: number | null;
  /**
   * Holes that each stream has again and again: of twice as many segments, each with a mapping of its own, every other
   * one comes first, then the others in no order. 0: mappings over four segments, in turn.
   */
  readonly holes: number;
}

/**
 * Sessions that are set up one after another and then all send, a data packet of each subflow a round: responder and
 * initiator in turn. Mappings cover four segments, of which each states its own, and subflows take mappings in turn, so that
 * after a multiple of 8 rounds no octets are held.
 */
export interface LiveWorkload extends LiveShape {
  readonly seed: number;
  /** So many sessions are set up, and send in the first rounds, before memory is looked at and handshakes are measured. */
  readonly sessionsBefore: number;
  /** The first rounds, which are for the compiler and not measured. */
  readonly firstRounds: number;
  /** Rounds of each turn that is measured, and how many turns there are. */
  readonly turnRounds: number;
  readonly turns: number;
}

/** What a turn took: seconds of processor time. */
export interface LiveTurn {
  readonly seconds: number;
  readonly packets: number;
}

/** What one process took for a workload, octets and seconds, besides its turns. */
export interface LiveResult {
  /** Processor time of the packets of those handshakes that are measured, and of ending all sessions. */
  readonly setUpSeconds: number;
  readonly endSeconds: number;
  /** What memory grew by between the first sessions and the last: all of the process's, V8's heap, arrays outside of it. */
  readonly residentGrowth: number;
  readonly heapGrowth: number;
  readonly arrayGrowth: number;
  /** What the kernel has given for V8's heap, used or not. */
  readonly heapRoomGrowth: number;
  /** The same of each table, by its name; empty where nobody asked. */
  readonly tableGrowth: Readonly<Record<string, number>>;
  /** The longest pause of the garbage collector, and all of them by the kind of collection. */
  readonly longestPauseMs: number;
  readonly pauses: Readonly<Record<string, Pauses>>;
  readonly differences: readonly string[];
}

/** What collections of one kind took, wall time. */
export interface Pauses {
  readonly count: number;
  readonly allMs: number;
  readonly longestMs: number;
}
