import { printable } from "../../terminal/text.ts";

/** What an error of kafkajs asks for. */
export type KafkaRemedy =
  /** The same batch again, through the same producer. */
  | "again"
  /** The same batch again, through a new producer object: reconnecting this one does not help. */
  | "new-producer"
  /** The same where a topic has gone; otherwise again: a broker that has just started says so for a moment. */
  | "check-topics"
  /** Smaller batches; a single record is refused for good. */
  | "split";

/** MESSAGE_TOO_LARGE and RECORD_LIST_TOO_LARGE. */
const SPLIT_CODES = [10, 18];
/**
 * OUT_OF_ORDER_SEQUENCE_NUMBER, DUPLICATE_SEQUENCE_NUMBER, INVALID_PRODUCER_EPOCH and UNKNOWN_PRODUCER_ID: what broker
 * and producer remember of each other has parted. And INVALID_RECORD: where kafkajs's numbers of a partition begin anew, at
 * 2^31, a send that fails leaves it with a negative one, which no broker takes.
 */
const NEW_PRODUCER_CODES = [45, 46, 47, 59, 87];
/**
 * UNKNOWN_TOPIC_OR_PARTITION. kafkajs goes on asking for every topic that it has known, and fails the others with the
 * one that has gone, until there is a new producer.
 */
const CHECK_TOPICS_CODES = [3];

/**
 * The remedy for an error of `producer.send`, by the protocol's error code. `retriable` of kafkajs is not asked: it is
 * false for an outage that outlasts its own retries, too, and never means that the batch is bad.
 */
export function remedyFor(error: unknown): KafkaRemedy {
  const code = protocolCode(error);
  if (code !== null && SPLIT_CODES.includes(code)) return "split";
  if (code !== null && NEW_PRODUCER_CODES.includes(code)) return "new-producer";
  if (code !== null && CHECK_TOPICS_CODES.includes(code)) return "check-topics";
  return "again";
}

/** The protocol's error code, which kafkajs buries under up to a few causes; null for trouble with the network. */
export function protocolCode(error: unknown): number | null {
  let inner = error;
  for (let depth = 0; depth < 8 && inner instanceof Error; depth += 1) {
    if ("code" in inner && typeof inner.code === "number") return inner.code;
    inner = inner.cause;
  }
  return null;
}

/** INVALID_PRODUCER_EPOCH and PRODUCER_FENCED: a newer producer has this one's transactional id. */
const FENCED_CODES = [47, 90];

/** Whether a newer producer has taken a transactional one's place. */
export function isFenced(error: unknown): boolean {
  const code = protocolCode(error);
  return code !== null && FENCED_CODES.includes(code);
}

/** SASL_AUTHENTICATION_FAILED; UNSUPPORTED_SASL_MECHANISM and ILLEGAL_SASL_STATE come before it. */
const AUTHENTICATION_CODES = [33, 34, 58];

/** Whether a broker does not know who this client is, whatever words it has for that. */
export function isUnauthenticated(error: unknown): boolean {
  const code = protocolCode(error);
  return code !== null && AUTHENTICATION_CODES.includes(code);
}

/** TOPIC_, GROUP_, CLUSTER_ and TRANSACTIONAL_ID_AUTHORIZATION_FAILED. */
const AUTHORIZATION_CODES = [29, 30, 31, 53];

/** Whether a broker knows who this client is, and does not let it. */
export function isUnauthorized(error: unknown): boolean {
  const code = protocolCode(error);
  return code !== null && AUTHORIZATION_CODES.includes(code);
}

/** Of what a broker says in its own words. */
const MAX_SAID_CHARACTERS = 200;

/** What a broker said, for a line: at most 200 characters, none that a terminal obeys. */
export function brokerWords(text: string): string {
  // More than enough: a broker may say megabytes.
  const words = printable(text.slice(0, 4 * MAX_SAID_CHARACTERS).replace(/\s+/g, " ")).trim();
  return words.length > MAX_SAID_CHARACTERS ? `${words.slice(0, MAX_SAID_CHARACTERS)}…` : words;
}
