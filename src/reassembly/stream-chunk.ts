/** A run of octets of one stream, in order after the one before it. */
export interface StreamChunk {
  /** session * 2 + side. */
  readonly stream: number;
  /** Where it begins in the stream, and how many octets before it are missing: a hole, or 0. */
  readonly offset: number;
  readonly hole: number;
  /** Valid during the call. */
  readonly octets: Uint8Array;
  /** Packet time at which it was made. */
  readonly atMicros: number;
  /** The newest time of a packet that had brought octets of this stream by then, those beyond a hole included. */
  readonly newestMicros: number;
  /** The session is over: nothing of this stream comes after it. */
  readonly final: boolean;
}

/** How long packet time is waited, and how many windows one stream may hold. */
export interface Patience {
  readonly holeMicros: number;
  /** Octets in order wait so long for more. */
  readonly chunkMicros: number;
  readonly windows: number;
  /** What waits in order also goes where octets of the session's other stream come to wait. */
  readonly turns: boolean;
}

/** A hole is waited for as long as hosts mostly take to send again, through another path too. 4 MiB of a stream. */
export const CHUNK_PATIENCE: Patience = { holeMicros: 10_000_000, chunkMicros: 1_000_000, windows: 128, turns: false };
/** As long, and the two streams of a session in the order in which their sides spoke. */
export const TURN_PATIENCE: Patience = { ...CHUNK_PATIENCE, turns: true };
/** Whoever waits until the end, as far as there is room. */
export const ENDLESS_PATIENCE: Patience = {
  holeMicros: Infinity,
  chunkMicros: Infinity,
  windows: Infinity,
  turns: false,
};
