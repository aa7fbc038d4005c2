import { randomUUID } from "node:crypto";
import type { Consumer, IHeaders, Kafka } from "kafkajs";
import { type Decoded, decode, sniff } from "../../schema/encoding.ts";
import { formatOf } from "../../schema/topics.ts";
import { OperationalError } from "../runtime/errors.ts";
import { withAdmin } from "../sink/kafka/admin.ts";
import type { KafkaAccess } from "../sink/kafka/connection.ts";
import { brokerWords } from "../sink/kafka/errors.ts";
import type { Take } from "./arrival.ts";
import { moveGroup, type Offsets, offsetsAt, type Start } from "./topic-start.ts";

/** What to read of Kafka, and when to stop. */
export interface TopicOptions {
  readonly topic: string;
  /** Who reads, and how the brokers are reached. */
  readonly access: KafkaAccess;
  /** Consumer group whose offsets are read and committed; null reads the whole topic and leaves nothing behind. */
  readonly group: string | null;
  /** Where to begin, whatever the group has read; null: where it stands, and where it has no offsets at the beginning. */
  readonly start: Start | null;
  /** Begin with what is published from now on, where the group has no offsets yet. */
  readonly fromEnd: boolean;
  /** Stop after this time without a message; null never does. */
  readonly untilIdleMs: number | null;
}

/** How long a broker may hold back an answer when it has nothing new; bounds how late `untilIdleMs` is seen. */
const FETCH_WAIT_MS = 500;
/** After an outage the brokers wait this long for the member that was lost before they let it join anew. */
const SESSION_TIMEOUT_MS = 10_000;
/** A failure that is over sooner is not told: a new cluster needs a moment for its first group. */
const OUTAGE_TOLD_MS = 3000;
/** Topics that are named when the one asked for is missing. */
const MAX_TOPICS_TOLD = 8;

/**
 * Hands every message of a topic to `take` until it wants no more, the topic is idle or `signal` fires. Only what
 * `take` has taken is committed. An outage on the way is waited out and told to `notice`; throws an OperationalError
 * where no broker answers at the start, the topic is missing, or the brokers refuse.
 */
export async function followTopic(
  options: TopicOptions,
  take: Take,
  notice: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const { Kafka } = await import("kafkajs");
  const { clientSettings, START_RETRY } = await import("../sink/kafka/connection.ts");
  const { KafkaCounters } = await import("../sink/kafka/counters.ts");
  // A collector may have compressed with zstd, which kafkajs alone cannot read.
  (await import("../sink/kafka/codecs.ts")).registerZstd();
  const settings = clientSettings(options.access, new KafkaCounters(), { warn: notice });
  const kafka = new Kafka({ ...settings, retry: START_RETRY });
  const start = await findTopic(kafka, options);
  if (signal.aborted) return;
  const consumer = kafka.consumer({
    groupId: options.group ?? `rejoin-consume-${randomUUID()}`,
    maxWaitTimeInMs: FETCH_WAIT_MS,
    sessionTimeout: SESSION_TIMEOUT_MS,
    allowAutoTopicCreation: false,
  });
  try {
    await consumeUntilDone(consumer, options, start, take, notice, signal);
  } catch (error) {
    throw refusal(options, error);
  } finally {
    await consumer.disconnect().catch(() => {});
  }
}

/** Makes sure of the topic, moves the group, and returns where to begin without one. */
async function findTopic(kafka: Kafka, options: TopicOptions): Promise<Offsets> {
  const { topic, access, group, start } = options;
  let topics: string[] = [];
  try {
    const found = await withAdmin(kafka, async (admin) => {
      topics = await admin.listTopics();
      if (!topics.includes(topic)) return null;
      const offsets = start === null ? [] : await offsetsAt(admin, topic, start);
      if (start !== null && group !== null) await moveGroup(admin, group, topic, offsets);
      return offsets;
    });
    if (found !== null) return found;
  } catch (error) {
    throw (await import("../sink/kafka/access-error.ts")).accessError(error, access, "");
  }
  const others = topics.filter((name) => !name.startsWith("__")).sort();
  const told = others.length === 0 ? "none" : others.slice(0, MAX_TOPICS_TOLD).map(brokerWords).join(", ");
  throw new OperationalError(
    "KAFKA_TOPIC_MISSING",
    `there is no topic ${topic} at ${access.brokers.join(", ")}; topics there: ${told}`,
  );
}

/** Resolves when no more messages are wanted; by then the last one is taken and nothing more will be. */
async function consumeUntilDone(
  consumer: Consumer,
  { topic, group, fromEnd, untilIdleMs }: TopicOptions,
  start: Offsets,
  take: Take,
  notice: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: !fromEnd });
  await new Promise<void>((resolve, reject) => {
    let done = false;
    /** Runs from the first failure to the next answer. */
    let outage: NodeJS.Timeout | undefined;
    let fetched = false;
    let idle: NodeJS.Timeout | undefined;
    /** By partition, where to begin and then the offset after the last one taken; there are as many as partitions. */
    const next = new Map(start.map(({ partition, offset }) => [partition, offset]));
    const finish = () => {
      done = true;
      clearTimeout(idle);
      clearTimeout(outage);
      resolve();
    };
    const watchIdle = () => {
      clearTimeout(idle);
      if (untilIdleMs !== null && !done) idle = setTimeout(finish, untilIdleMs);
    };
    signal.addEventListener("abort", finish, { once: true });
    consumer.on(consumer.events.GROUP_JOIN, () => {
      // Without a group no broker remembers where to begin, nor what was read before an outage.
      if (group === null) for (const [partition, offset] of next) consumer.seek({ topic, partition, offset });
    });
    consumer.on(consumer.events.FETCH, () => {
      clearTimeout(outage);
      outage = undefined;
      // Idle time counts from the first answer of the brokers: joining a group takes seconds.
      if (!fetched) watchIdle();
      fetched = true;
    });
    consumer.on(consumer.events.CRASH, ({ payload: { error, restart } }) => {
      // An outage is no idle time: what waits behind it is still wanted.
      clearTimeout(idle);
      fetched = false;
      if (!restart) reject(error);
      else if (!done) {
        const line = `Kafka does not answer (${error.message}); trying again until it does`;
        outage ??= setTimeout(notice, OUTAGE_TOLD_MS, line);
      }
    });
    const run = consumer.run({
      autoCommit: group !== null,
      eachBatchAutoResolve: false,
      eachBatch: async ({ batch, resolveOffset, heartbeat, isRunning, isStale }) => {
        clearTimeout(idle);
        for (const { offset, value, headers } of batch.messages) {
          if (done || !isRunning() || isStale()) break;
          const where = `${batch.topic}, partition ${batch.partition}, offset ${offset}`;
          const more = await take({ where, decoded: decodeMessage(value, headers) });
          resolveOffset(offset);
          next.set(batch.partition, String(BigInt(offset) + 1n));
          if (!more) finish();
          await heartbeat();
        }
        watchIdle();
      },
    });
    run.catch(reject);
    if (signal.aborted) finish();
  });
}

/** A message's record by its `content-type`, or by its first octet where that says nothing. */
function decodeMessage(value: Buffer | null, headers: IHeaders | undefined): Decoded {
  if (value === null) return { ok: false, reason: "a message without a value" };
  const [contentType] = [headers?.["content-type"]].flat();
  return decode(value, (contentType === undefined ? null : formatOf(String(contentType))) ?? sniff(value));
}

function refusal({ topic, access: { brokers } }: TopicOptions, error: unknown): unknown {
  if (!(error instanceof Error) || !error.name.startsWith("KafkaJS")) return error;
  return new OperationalError("KAFKA_REFUSED", `reading ${topic} at ${brokers.join(", ")} failed: ${error.message}`, {
    cause: error,
  });
}
