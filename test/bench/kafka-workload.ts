/** What test/bench/programs/deliver.ts does. */
export interface KafkaWorkload {
  /**
   * `outbox`: records through thread, outbox and sink of a collector; `once`: the same in transactions; `kafkajs`: the
   * same through its producers alone; `path`: packets through a pipeline whose records go the first way. The first turn is
   * for the compiler.
   */
  readonly way: "outbox" | "once" | "kafkajs" | "path";
  readonly broker: string;
  /** Of the outbox; its own for each run. */
  readonly directory: string;
  /** Records of a turn, or sessions. */
  readonly count: number;
}

/** What `outbox`, `once` and `kafkajs` say of a turn. */
export interface DeliveryTurn {
  /** Wall time from the first record until the last was acknowledged. */
  readonly seconds: number;
  /** Processor time of the process in it. */
  readonly cpuSeconds: number;
  /** Of all values. */
  readonly octets: number;
  readonly acknowledged: number;
}

/** What `path` says of a turn: microseconds that a vector of 64 packets took. */
export interface PathTurn {
  readonly medianMicros: number;
  readonly p99Micros: number;
  readonly vectors: number;
}

/** Topic of the records, with as many partitions as a collector would make. */
export const KAFKA_TOPIC = "rejoin.sessions.v1";
export const PARTITIONS = 12;
/** A collector's own. */
export const PRODUCERS = 4;
/** A collector's batches have at most so many records. */
export const BATCH_RECORDS = 500;
