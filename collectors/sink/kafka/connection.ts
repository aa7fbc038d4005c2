import { execFile } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { connect as connectTls, type PeerCertificate, TLSSocket } from "node:tls";
import { promisify } from "node:util";
import kafkajs, { type ISocketFactory, type KafkaConfig, type SASLOptions } from "kafkajs";
import type { Logger } from "pino";
import { OperationalError } from "../../runtime/errors.ts";
import { type SinkTls, tlsOptions } from "../tls.ts";
import type { KafkaCounters } from "./counters.ts";

/** Who this client is to the brokers. What is secret is read for each authentication. */
export interface KafkaSasl {
  readonly mechanism: "plain" | "scram-sha-256" | "scram-sha-512" | "oauthbearer";
  readonly username: string | null;
  readonly passwordFile: string | null;
  /** Name of an environment variable. */
  readonly passwordVariable: string | null;
  /** oauthbearer: program and arguments; what it prints is the token. */
  readonly tokenCommand: readonly string[];
}

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
export const RETRY = { initialRetryTime: 200, maxRetryTime: 2000, retries: 8, factor: 0.2, multiplier: 2 };
/** When the collector starts, a wrong address must show soon. */
const START_RETRY = { ...RETRY, retries: 2 };
const CONNECT_TIMEOUT_MS = 3000;
/** Longer than the 30 s that a broker may wait for its replicas. */
const REQUEST_TIMEOUT_MS = 35_000;
const TOKEN_TIMEOUT_MS = 10_000;
const EXPIRY_WARNING_MS = 14 * 86_400_000;

/** Clients of the cluster: one that tries for long, and one for the start. */
export function kafkaClients(
  access: KafkaAccess,
  counters: KafkaCounters,
  log: Pick<Logger, "warn">,
): { readonly kafka: kafkajs.Kafka; readonly startingKafka: kafkajs.Kafka } {
  const settings: KafkaConfig = {
    clientId: access.clientId,
    brokers: [...access.brokers],
    connectionTimeout: CONNECT_TIMEOUT_MS,
    authenticationTimeout: TOKEN_TIMEOUT_MS + CONNECT_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    socketFactory: socketFactory(access.tls, counters, log),
    // What matters is logged here, once; kafkajs would log each of its attempts.
    logLevel: kafkajs.logLevel.NOTHING,
    ...(access.tls === null ? {} : { ssl: true }),
    ...(access.sasl === null ? {} : { sasl: saslOptions(access.sasl) }),
  };
  return {
    kafka: new kafkajs.Kafka({ ...settings, retry: RETRY }),
    startingKafka: new kafkajs.Kafka({ ...settings, retry: START_RETRY }),
  };
}

/** Why brokers cannot be used, as one line. */
export function accessError(error: unknown, { brokers, tls, sasl }: KafkaAccess): OperationalError {
  const where = `Kafka at ${brokers.join(", ")}`;
  const said =
    error instanceof Error ? error.message.replace(/^Connection error: |^Failed to connect: /, "") : `${error}`;
  const fail = (code: string, message: string) =>
    new OperationalError(code, message, { retriable: true, cause: error });
  if (/ENOENT|EACCES/.test(said)) {
    return fail("KAFKA_FILE", `${where}: a file of sink.kafka.tls or sink.kafka.sasl cannot be read: ${said}`);
  }
  if (sasl !== null && error instanceof Error && /SASL|authenticat/i.test(`${error.name} ${said}`)) {
    const who = sasl.username === null ? "this client" : `user ${sasl.username}`;
    return fail("KAFKA_AUTHENTICATION", `${where} does not let ${who} in: ${said}; check sink.kafka.sasl`);
  }
  if (tls !== null && /certificate|self.signed|altnames|issuer|SSL|TLS|ERR_OSSL|PEM/i.test(said)) {
    return fail(
      "KAFKA_TLS",
      `${where} cannot be trusted, or does not trust this client: ${said}; check sink.kafka.tls`,
    );
  }
  return fail(
    "KAFKA_UNREACHABLE",
    `${where} cannot be reached: ${said}; check --brokers and that a broker is running there`,
  );
}

function socketFactory(tls: SinkTls | null, counters: KafkaCounters, log: Pick<Logger, "warn">): ISocketFactory {
  const told = new Set<string>();
  const watch = (what: string, validTo: string): void => {
    const atMs = Date.parse(validTo);
    counters.expires(atMs);
    // Each certificate once: bounded by those that are used.
    if (atMs - Date.now() > EXPIRY_WARNING_MS || told.has(`${what} ${validTo}`)) return;
    told.add(`${what} ${validTo}`);
    log.warn(`the certificate of ${what} expires on ${new Date(atMs).toISOString().slice(0, 10)}`);
  };
  return ({ host, port, onConnect }) => {
    const socket =
      tls === null ? connect({ host, port }, onConnect) : connectTls(tlsOptions(host, port, tls), onConnect);
    if (tls !== null && socket instanceof TLSSocket) {
      counters.certificateExpiresMs = null;
      for (const file of [tls.caFile, tls.certificateFile]) {
        if (file !== null) watch(file, new X509Certificate(readFileSync(file)).validTo);
      }
      socket.once("secureConnect", () => {
        const { valid_to } = socket.getPeerCertificate() as Partial<PeerCertificate>;
        if (valid_to !== undefined) watch(`broker ${host}:${port}`, valid_to);
      });
    }
    return socket.setKeepAlive(true, 60_000);
  };
}

/** kafkajs reads these whenever it authenticates: a getter is all that reloading takes. */
function saslOptions(sasl: KafkaSasl): SASLOptions {
  if (sasl.mechanism === "oauthbearer") {
    const [program = "", ...args] = sasl.tokenCommand;
    const oauthBearerProvider = async () => {
      const { stdout } = await promisify(execFile)(program, args, { timeout: TOKEN_TIMEOUT_MS });
      return { value: stdout.trim() };
    };
    return { mechanism: "oauthbearer", oauthBearerProvider };
  }
  return {
    mechanism: sasl.mechanism as "plain",
    username: sasl.username ?? "",
    get password() {
      if (sasl.passwordFile !== null) return readFileSync(sasl.passwordFile, "utf8").trimEnd();
      return process.env[sasl.passwordVariable ?? ""] ?? "";
    },
  };
}
