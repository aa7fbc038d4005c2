import { OperationalError } from "../../runtime/errors.ts";
import { dateOf, type SinkTls, validUntilMs } from "../tls.ts";
import type { KafkaAccess } from "./connection.ts";
import { brokerWords, isUnauthenticated, isUnauthorized, protocolCode } from "./errors.ts";
import { type KafkaSasl, passwordOf } from "./sasl.ts";

/**
 * Why brokers cannot be used, as one line that names what to check; an `OperationalError` stays what it is. `keys` is what
 * stands before `tls` and `sasl` in the configuration.
 */
export function accessError(error: unknown, access: KafkaAccess, keys = "sink.kafka."): OperationalError {
  if (error instanceof OperationalError) return error;
  const { brokers, tls, sasl } = access;
  const where = `Kafka at ${brokers.join(", ")}`;
  const who = sasl === null || sasl.username === null ? "this client" : `user ${sasl.username}`;
  const said = saidBy(error, sasl);
  const fail = (code: string, message: string) =>
    new OperationalError(code, message, { retriable: true, cause: error });
  if (/^(ENOENT|EACCES|EISDIR|it is no regular file|it is larger than)/.test(said)) {
    return fail("KAFKA_FILE", `${where}: a file of ${keys}tls or ${keys}sasl cannot be read: ${said}`);
  }
  if (isUnauthorized(error) || /not authorized/i.test(said)) {
    return fail("KAFKA_AUTHORIZATION", `${where} does not let ${who} do all that it must: ${said}; check its ACLs`);
  }
  // kafkajs has errors of its own beside those of brokers.
  const isSaid = error instanceof Error && /SASL|authenticat/i.test(`${error.name} ${said}`);
  if (sasl !== null && (isUnauthenticated(error) || isSaid)) {
    return fail("KAFKA_AUTHENTICATION", `${where} does not let ${who} in: ${said}; check ${keys}sasl`);
  }
  if (tls !== null && /certificate|self.signed|altnames|issuer|SSL|TLS|ERR_OSSL|PEM/i.test(said)) {
    const because = expiredOf(tls) ?? said;
    return fail("KAFKA_TLS", `${where} cannot be trusted, or does not trust this client: ${because}; check ${keys}tls`);
  }
  return fail(
    "KAFKA_UNREACHABLE",
    `${where} cannot be reached: ${said}; check --brokers and that a broker is running there`,
  );
}

/** The same of an error on the way of records, where it says that brokers cannot be used; otherwise the error as it is. */
export function explained(error: unknown, access: KafkaAccess): unknown {
  const isOfClient = error instanceof Error && error.name.startsWith("KafkaJS");
  const isOfAccess = protocolCode(error) === null || isUnauthenticated(error);
  return isOfClient && isOfAccess ? accessError(error, access) : error;
}

/** An error's message on one line, without what kafkajs and OpenSSL put around it, nor a password that a broker repeats. */
function saidBy(error: unknown, sasl: KafkaSasl | null): string {
  const message = error instanceof Error ? error.message : String(error);
  return brokerWords(
    withoutPassword(message, sasl)
      .replace(/^Connection error: |^Failed to connect: /, "")
      .replace(/^[0-9A-F]+:error:[0-9A-F]+:[^:]*:[^:]*:([^:]+):.*/s, "$1"),
  );
}

function withoutPassword(text: string, sasl: KafkaSasl | null): string {
  try {
    const password = sasl === null ? "" : passwordOf(sasl);
    return password === "" ? text : text.replaceAll(password, "PASSWORD");
  } catch {
    // Nobody could read it, and nobody has sent it.
    return text;
  }
}

/** A broker that refuses an expired certificate says hardly more than that it does. */
function expiredOf({ certificateFile }: SinkTls): string | null {
  try {
    const untilMs = certificateFile === null ? Number.POSITIVE_INFINITY : validUntilMs(certificateFile);
    return untilMs < Date.now() ? `${certificateFile} has expired on ${dateOf(untilMs)}` : null;
  } catch {
    return null;
  }
}
