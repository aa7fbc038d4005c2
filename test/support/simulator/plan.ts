/** 0: the initiator of the session, 1: the responder. */
export type Side = 0 | 1;
/** The other side. */
export const peerOf = (side: Side): Side => (side === 0 ? 1 : 0);

/** One way between the two hosts: three links, with an agent's place and a middlebox between them. */
export interface PathPlan {
  readonly ipv6: boolean;
  readonly delayMillis: number;
  /** Up to this much is added to each packet's delay: packets overtake each other. */
  readonly jitterMillis: number;
  /** Share of packets lost on the whole way, and doubled on it. */
  readonly loss: number;
  readonly doubled: number;
  /** The middlebox translates the initiator's address and port. */
  readonly nat: boolean;
  /** Share of segments with payload in which somebody at the middlebox changes octets. */
  readonly tampered: number;
}

/** A further subflow. */
export interface JoinPlan {
  readonly opener: Side;
  readonly path: number;
  readonly atMillis: number;
  readonly backup: boolean;
}

/** Something that happens on the way. `subflow` counts from 0, modulo those there are then. */
export interface EventPlan {
  readonly atMillis: number;
  readonly side: Side;
  readonly kind: "reset-subflow" | "close-subflow" | "add-address" | "remove-address" | "priority" | "infinite-mapping";
  readonly subflow: number;
}

/** How subflows are chosen for the next octets. */
export const SCHEDULERS = ["round-robin", "lowest-rtt", "redundant", "random"] as const;
/** On which of its segments a mapping is stated. */
export const MAPPING_PLACES = ["every", "first", "last"] as const;
/** What a responder takes of the octets in a SYN; the others come again. */
export const FAST_OPEN_TAKEN = ["all", "half", "none"] as const;
/** `abandon`: the watching ends while the hosts still talk. */
export const ENDINGS = ["fin", "fastclose-ack", "fastclose-reset", "reset", "abandon"] as const;
/**
 * What turns the connection into plain TCP: a box takes the option out of the SYN/ACK or out of all that the initiator
 * sends after its SYN, or drops SYNs that have it. `midway`: it lets some segments with data pass, and then takes options
 * out of all segments of both sides but SYNs.
 */
export const STRIPPED = ["nothing", "syn-ack", "ack-and-data", "syn-dropped", "midway"] as const;

/** One MPTCP connection as it is to be. */
export interface SessionPlan {
  readonly version: 0 | 1;
  /** Octets each side sends. */
  readonly octets: readonly [number, number];
  readonly paths: readonly PathPlan[];
  readonly joins: readonly JoinPlan[];
  readonly events: readonly EventPlan[];
  readonly scheduler: (typeof SCHEDULERS)[number];
  readonly mss: number;
  /** Most octets of a mapping; each has 1 to so many. */
  readonly mapping: number;
  readonly mappingOn: (typeof MAPPING_PLACES)[number];
  readonly checksum: boolean;
  /** 32-bit data sequence numbers, and data ACKs. */
  readonly narrowDsn: boolean;
  readonly narrowAck: boolean;
  /** Octets in the initial SYN, and how many of them the responder takes (RFC 7413, RFC 8684 §B; version 1). */
  readonly fastOpen: number;
  readonly fastOpenTaken: (typeof FAST_OPEN_TAKEN)[number];
  /** The initiator's first data carries MP_CAPABLE (version 1). */
  readonly capableData: boolean;
  /** The DATA_FIN comes with the last octets. */
  readonly finWithData: boolean;
  readonly timestamps: boolean;
  /** Numbers begin shortly before they wrap. */
  readonly wrapTcp: boolean;
  readonly wrapDsn: boolean;
  /** Share of mappings that another subflow carries once more, cut otherwise. */
  readonly reinjected: number;
  readonly stripped: (typeof STRIPPED)[number];
  /** How many segments with data pass before a box strips options `midway`. */
  readonly unstripped: number;
  /** Infinite mappings begin where data was last known to be intact, not at their own segment (RFC 8684 §3.7). */
  readonly retroactive: boolean;
  /** Also a host states one that fell back because the other did. */
  readonly infiniteByBoth: boolean;
  readonly ending: (typeof ENDINGS)[number];
  readonly endingBy: Side;
  /** When an ending other than `fin` comes. */
  readonly endingAtMillis: number;
}

/** Who watches: a place on a path, and how well. */
export interface AgentPlan {
  /** Path it watches; null: every path. */
  readonly path: number | null;
  /** 0: between initiator and middlebox, 1: behind it. */
  readonly position: 0 | 1;
  /** Only packets of this side; null: both. */
  readonly only: Side | null;
  /** Share of packets that are not copied, and that are copied twice. */
  readonly loss: number;
  readonly doubled: number;
  /** Octets kept of a packet. */
  readonly snap: number;
  /** Its copies are this much later than others. */
  readonly lagMillis: number;
}

/** An agent that misses nothing. */
export const GOOD_AGENT: AgentPlan = {
  path: null,
  position: 0,
  only: null,
  loss: 0,
  doubled: 0,
  snap: 262_144,
  lagMillis: 0,
};

/** A path that loses nothing. */
export const USUAL_PATH: PathPlan = {
  ipv6: false,
  delayMillis: 10,
  jitterMillis: 0,
  loss: 0,
  doubled: 0,
  nat: false,
  tampered: 0,
};

/** Two subflows over two paths, and some 40 KB each way. */
export const USUAL_PLAN: SessionPlan = {
  version: 1,
  octets: [40_000, 30_000],
  paths: [USUAL_PATH, { ...USUAL_PATH, delayMillis: 25 }],
  joins: [{ opener: 0, path: 1, atMillis: 60, backup: false }],
  events: [],
  scheduler: "round-robin",
  mss: 1400,
  mapping: 1400,
  mappingOn: "every",
  checksum: false,
  narrowDsn: false,
  narrowAck: false,
  fastOpen: 0,
  fastOpenTaken: "all",
  capableData: false,
  finWithData: false,
  timestamps: true,
  wrapTcp: false,
  wrapDsn: false,
  reinjected: 0,
  stripped: "nothing",
  unstripped: 0,
  retroactive: true,
  infiniteByBoth: false,
  ending: "fin",
  endingBy: 0,
  endingAtMillis: 0,
};
