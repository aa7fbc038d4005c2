import kafkajs, { type AuthenticationProviderArgs, type KafkaConfig } from "kafkajs";
import { programOutput } from "../../runtime/program-output.ts";
import { readRegularFile } from "../../runtime/regular-file.ts";
import { brokerWords, isUnauthenticated } from "./errors.ts";

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

/** A token command that takes longer is ended. */
export const TOKEN_TIMEOUT_MS = 10_000;
const LENGTH_OCTETS = 4;

/** What kafkajs needs to authenticate. It reads a password whenever it does: a getter is all that reloading takes. */
export function saslSettings(sasl: KafkaSasl): NonNullable<KafkaConfig["sasl"]> {
  if (sasl.mechanism === "oauthbearer") {
    const authenticationProvider = ({ saslAuthenticate }: AuthenticationProviderArgs) => ({
      authenticate: () => authenticateByToken(sasl.tokenCommand, saslAuthenticate),
    });
    return { mechanism: "oauthbearer", authenticationProvider };
  }
  return {
    mechanism: sasl.mechanism as "plain",
    username: sasl.username ?? "",
    get password() {
      const password = passwordOf(sasl);
      remember(sasl, password);
      return password;
    },
  };
}

/** Passwords that kafkajs had of late, of whom they are: for a while a broker may repeat one that its file no longer has. */
const HANDED_OVER = new WeakMap<KafkaSasl, readonly string[]>();
/** An authentication ends within seconds: what was replaced so many times since is in no answer that is still to come. */
const MAX_HANDED_OVER = 4;

/** The newest 4 passwords that `saslSettings` has given kafkajs for this `sasl` object, the newest first. */
export function handedOver(sasl: KafkaSasl): readonly string[] {
  return HANDED_OVER.get(sasl) ?? [];
}

function remember(sasl: KafkaSasl, password: string): void {
  const others = handedOver(sasl).filter((one) => one !== password);
  if (password !== "") HANDED_OVER.set(sasl, [password, ...others].slice(0, MAX_HANDED_OVER));
}

/** The password as it is now; "" where there is none. Throws as `readRegularFile` does. */
export function passwordOf({ passwordFile, passwordVariable }: KafkaSasl): string {
  if (passwordFile !== null) return readRegularFile(passwordFile).trimEnd();
  return process.env[passwordVariable ?? ""] ?? "";
}

/** kafkajs's own OAUTHBEARER takes the answer to a bad token (RFC 7628 §3.2.2) for a good one, and finds no broker then. */
async function authenticateByToken(
  command: readonly string[],
  saslAuthenticate: AuthenticationProviderArgs["saslAuthenticate"],
): Promise<void> {
  const refuse = (why: string) => new kafkajs.KafkaJSNonRetriableError(`SASL OAUTHBEARER: ${why}`);
  const token = await tokenOf(command).catch((error: Error) => {
    throw refuse(error.message);
  });
  const request = { encode: () => withLength(Buffer.from(`n,,\x01auth=Bearer ${token}\x01\x01`)) };
  const response = {
    decode: (octets: Buffer) => octets.subarray(LENGTH_OCTETS),
    parse: (octets: Buffer) => `${octets}`,
  };
  const answer = await saslAuthenticate({ request, response }).catch((error: Error) => {
    if (!isUnauthenticated(error)) throw error;
    return error.message;
  });
  // A broker may repeat what it was sent.
  if (answer) throw refuse(`the token is refused: ${brokerWords(answer.replaceAll(token, "TOKEN"))}`);
}

/** What the command prints. Its arguments may be secret: what it was called with is in no message. */
async function tokenOf([program = "", ...args]: readonly string[]): Promise<string> {
  const { stdout, stderr, end, cut } = await programOutput(program, args, TOKEN_TIMEOUT_MS);
  const token = stdout.trim();
  if (end === 0 && cut === null && token !== "") return token;
  const line = stderr.trim().split("\n").at(-1) ?? "";
  // A shell that is told to shows what it runs.
  const last = args.reduce((text, arg) => (arg === "" ? text : text.replaceAll(arg, "…")), line);
  const how = { time: `not done after ${TOKEN_TIMEOUT_MS / 1000} s`, size: "prints too much to be a token" };
  const what = cut !== null ? how[cut] : end === 0 ? "prints nothing" : `ended with ${end}`;
  throw new Error(`the token command ${program} ${what}${last === "" ? "" : `: ${last}`}`);
}

function withLength(octets: Buffer): Buffer {
  const length = Buffer.alloc(LENGTH_OCTETS);
  length.writeInt32BE(octets.length);
  return Buffer.concat([length, octets]);
}
