import { z } from "zod";
import { isBroker } from "./broker-address.ts";
import type { ConfigurationFault } from "./values.ts";

const file = z.string().min(1).nullable().default(null);

/** TLS of a client. */
export const tls = z.strictObject({
  caFile: file.describe(
    "PEM file of the authorities that certificates of the other side are from; null: those Node trusts",
  ),
  certificateFile: file.describe("PEM file of this client's certificate; read anew for each connection"),
  keyFile: file.describe("PEM file of its key; read anew for each connection"),
  serverName: file.describe("Name in the certificates of the other side; null: that of the host"),
  minVersion: z.enum(["TLSv1.2", "TLSv1.3"]).default("TLSv1.2").describe("Least version of TLS"),
});

const sasl = z.strictObject({
  mechanism: z
    .enum(["plain", "scram-sha-256", "scram-sha-512", "oauthbearer"])
    .default("scram-sha-512")
    .describe("How this client shows who it is"),
  username: file.describe("Its user"),
  passwordFile: file.describe("File with its password; read anew for each authentication"),
  passwordVariable: file.describe("Environment variable with its password, where no file has it"),
  tokenCommand: z
    .array(z.string())
    .default([])
    .describe("oauthbearer: a program and its arguments; what it prints is the token"),
});

const broker = z.string().min(1).refine(isBroker, "write a host and a port: kafka1:9092 or [2001:db8::1]:9092");

/** How the brokers of a cluster are reached, and who this client is to them. */
export const brokerAccess = {
  brokers: z.array(broker).min(1).default(["localhost:9092"]).describe("host:port of one or more brokers"),
  tls: tls.nullable().default(null).describe("TLS to the brokers; null: without"),
  sasl: sasl.nullable().default(null).describe("Authentication at the brokers; null: none"),
};

/** What an authentication lacks; `at` is where the configuration has it. */
export function saslFaults(
  given: z.output<typeof brokerAccess.sasl>,
  at: readonly PropertyKey[],
): ConfigurationFault[] {
  if (given === null) return [];
  const { mechanism, username, passwordFile, passwordVariable, tokenCommand } = given;
  const fault = (key: string, message: string): ConfigurationFault => ({ path: [...at, key], message });
  if (mechanism === "oauthbearer") {
    return tokenCommand.length > 0 ? [] : [fault("tokenCommand", "oauthbearer needs a program that prints a token")];
  }
  return [
    ...(username === null ? [fault("username", `${mechanism} needs a user`)] : []),
    ...((passwordFile ?? passwordVariable) === null
      ? [fault("passwordFile", `${mechanism} needs a password, from a file or a variable`)]
      : []),
  ];
}
