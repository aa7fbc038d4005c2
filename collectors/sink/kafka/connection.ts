import { connect } from "node:net";
import { connect as connectTls, type PeerCertificate, TLSSocket } from "node:tls";
import kafkajs, { type ISocketFactory, type KafkaConfig, type ProducerConfig } from "kafkajs";
import type { Logger } from "pino";
import { dateOf, type SinkTls, tlsOptions, validUntilMs } from "../tls.ts";
import type { KafkaCounters } from "./counters.ts";
import { type KafkaSasl, saslSettings, TOKEN_TIMEOUT_MS } from "./sasl.ts";
import { quietIdleTimers } from "./timer-warnings.ts";

/** How brokers are reached. */
export interface KafkaAccess {
  /** `host:port` of one or more brokers. */
  readonly brokers: readonly string[];
  /** Named to the brokers, for their logs and quotas. */
  readonly clientId: string;
  readonly tls: SinkTls | null;
  readonly sasl: KafkaSasl | null;
}

/**
 * kafkajs gives up an attempt after 11 to 24 s of an outage; whoever called it goes on from there. Every value is stated
 * because kafkajs takes others when NODE_ENV is `test`.
 */
const RETRY = { initialRetryTime: 200, maxRetryTime: 2000, retries: 8, factor: 0.2, multiplier: 2 };
/**
 * What every producer is made with. Its messages name their partition (`messagesOf`): kafkajs's own partitioner goes
 * through those of the topic for each message, before it looks at what the message says.
 */
export const PRODUCER: ProducerConfig = {
  idempotent: true,
  maxInFlightRequests: 1,
  allowAutoTopicCreation: false,
  createPartitioner:
    () =>
    ({ message }) =>
      message.partition ?? 0,
  retry: RETRY,
};
/** When a program starts, a wrong address must show soon: three attempts of at most CONNECT_TIMEOUT_MS. */
export const START_RETRY = { ...RETRY, retries: 2 };
const CONNECT_TIMEOUT_MS = 3000;
/** Longer than the 30 s that a broker may wait for its replicas. */
const REQUEST_TIMEOUT_MS = 35_000;
const EXPIRY_WARNING_MS = 14 * 86_400_000;

/** What every client of the cluster is made with, apart from its patience. */
export function clientSettings(
  access: KafkaAccess,
  counters: KafkaCounters,
  log: Pick<Logger, "warn">,
): Omit<KafkaConfig, "retry"> {
  quietIdleTimers();
  return {
    clientId: access.clientId,
    brokers: [...access.brokers],
    connectionTimeout: CONNECT_TIMEOUT_MS,
    authenticationTimeout: TOKEN_TIMEOUT_MS + CONNECT_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    socketFactory: socketFactory(access.tls, counters, log),
    // What matters is logged here, once; kafkajs would log each of its attempts.
    logLevel: kafkajs.logLevel.NOTHING,
    ...(access.tls === null ? {} : { ssl: true }),
    ...(access.sasl === null ? {} : { sasl: saslSettings(access.sasl) }),
  };
}

/** Clients of a sink: one that tries for long, and one for the start. */
export function kafkaClients(
  access: KafkaAccess,
  counters: KafkaCounters,
  log: Pick<Logger, "warn">,
): { readonly kafka: kafkajs.Kafka; readonly startingKafka: kafkajs.Kafka } {
  const settings = clientSettings(access, counters, log);
  return {
    kafka: new kafkajs.Kafka({ ...settings, retry: RETRY }),
    startingKafka: new kafkajs.Kafka({ ...settings, retry: START_RETRY }),
  };
}

function socketFactory(tls: SinkTls | null, counters: KafkaCounters, log: Pick<Logger, "warn">): ISocketFactory {
  const told = new Set<string>();
  const watch = (what: string, atMs: number): void => {
    counters.expires(what, atMs);
    const leftMs = atMs - Date.now();
    // Each certificate once: bounded by those that are used. One that has expired is a reason of its own.
    if (leftMs < 0 || leftMs > EXPIRY_WARNING_MS || told.has(`${what} ${atMs}`)) return;
    told.add(`${what} ${atMs}`);
    log.warn(`the certificate of ${what} expires on ${dateOf(atMs)}`);
  };
  return ({ host, port, onConnect }) => {
    const socket =
      tls === null ? connect({ host, port }, onConnect) : connectTls(tlsOptions(host, port, tls), onConnect);
    if (tls !== null && socket instanceof TLSSocket) {
      for (const file of [tls.caFile, tls.certificateFile]) {
        if (file !== null) watch(file, validUntilMs(file));
      }
      socket.once("secureConnect", () => {
        const { valid_to } = socket.getPeerCertificate() as Partial<PeerCertificate>;
        if (valid_to !== undefined) watch(`broker ${host}:${port}`, Date.parse(valid_to));
      });
    }
    return socket.setKeepAlive(true, 60_000);
  };
}
