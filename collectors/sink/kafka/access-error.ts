import { OperationalError } from "../../runtime/errors.ts";
import { dateOf, type SinkTls, validUntilMs } from "../tls.ts";
import type { KafkaAccess } from "./connection.ts";
import { brokerWords, isUnauthenticated, isUnauthorized, protocolCode } from "./errors.ts";
import { handedOver, type KafkaSasl } from "./sasl.ts";

/**
 * Why brokers cannot be used, as one line that names what to check; an `OperationalError` stays what it is. `keys` is what
 * stands before `tls` and `sasl` in the configuration.
 */
export function accessError(error: unknown, access: KafkaAccess, keys = "sink.kafka."): OperationalError {
  if (error instanceof OperationalError) return error;
  const { brokers, tls, sasl } = access;
  const where = `Kafka at ${brokers.join(", ")}`;
  const who = sasl === null || sasl.username === null ? "this client" : `user ${sasl.username}`;
  const message = error instanceof Error ? error.message : String(error);
  // What it is follows from the words themselves, whatever the password is.
  const words = wordsOf(message);
  const said = mayRepeatPassword(message, sasl) ? "words that may repeat the password are left out" : words;
  const fail = (code: string, message: string) =>
    new OperationalError(code, message, { retriable: true, cause: error });
  // These are this machine's words, never a broker's.
  if (protocolCode(error) === null && /^(ENOENT|EACCES|EISDIR|it is no regular file|it is larger than)/.test(words)) {
    return fail("KAFKA_FILE", `${where}: a file of ${keys}tls or ${keys}sasl cannot be read: ${words}`);
  }
  if (isUnauthorized(error) || /not authorized/i.test(words)) {
    return fail("KAFKA_AUTHORIZATION", `${where} does not let ${who} do all that it must: ${said}; check its ACLs`);
  }
  // kafkajs has errors of its own beside those of brokers.
  const isSaid = error instanceof Error && /SASL|authenticat/i.test(`${error.name} ${words}`);
  if (sasl !== null && (isUnauthenticated(error) || isSaid)) {
    return fail("KAFKA_AUTHENTICATION", `${where} does not let ${who} in: ${said}; check ${keys}sasl`);
  }
  if (tls !== null && /certificate|self.signed|altnames|issuer|SSL|TLS|ERR_OSSL|PEM/i.test(words)) {
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

/** A message on one line, without what kafkajs and OpenSSL put around it. */
function wordsOf(message: string): string {
  return brokerWords(
    message
      .replace(/^Connection error: |^Failed to connect: /, "")
      .replace(/^[0-9A-F]+:error:[0-9A-F]+:[^:]*:[^:]*:([^:]+):.*/s, "$1"),
  );
}

/** One that is shorter stands in many a word: nothing tells whether a broker repeats it. */
const LEAST_SOUGHT_CHARACTERS = 4;

/**
 * Whether a broker may repeat a password in a message, as it is or in JSON. To put something in its place would show it to
 * whoever knows what else the message says.
 */
function mayRepeatPassword(message: string, sasl: KafkaSasl | null): boolean {
  const bareMessage = bare(message);
  return (sasl === null ? [] : handedOver(sasl)).some((password) => {
    const forms = [bare(password), bare(JSON.stringify(password).slice(1, -1))];
    const isFound = forms.some((form) => form.length < LEAST_SOUGHT_CHARACTERS || bareMessage.includes(form));
    return isFound || message.includes(password);
  });
}

/** A text without what JSON puts before a character, however often, and with white space as `brokerWords` has it. */
function bare(text: string): string {
  return text
    .replace(/\\+/g, "\\")
    .replace(/\\u([0-9a-f]{4})/gi, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
    .replaceAll("\\", "")
    .replace(/\s+/g, " ")
    .trim();
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
