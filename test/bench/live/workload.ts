/** Sessions that are set up one after another, and then all send, a data packet of each subflow a round. */
export interface LiveWorkload {
  readonly sessions: number;
  /** Subflows of each session; null: 1, 2, 3, 4 in turn. */
  readonly subflows: number | null;
  /**
   * Data packets of each subflow, responder and initiator in turn. Mappings cover four segments, of which each states its
   * own, and subflows take mappings in turn: a multiple of 8.
   */
  readonly rounds: number;
  /**
   * Holes that each stream has again and again: of twice as many segments, each with a mapping of its own, every other
   * one comes first, then the others in no order. 0: mappings over four segments, in turn.
   */
  readonly holes: number;
  readonly seed: number;
  /** The first of these rounds are for the compiler, and not measured. */
  readonly warmUpRounds: number;
  /** So many sessions are set up, and send, before memory is first looked at. */
  readonly sessionsBefore: number;
}

/** What one process took for a workload, octets and seconds. */
export interface LiveResult {
  /** Processor time of the packets of all handshakes, of the rounds that count, and of ending all sessions. */
  readonly setUpSeconds: number;
  readonly steadySeconds: number;
  readonly endSeconds: number;
  readonly steadyPackets: number;
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
