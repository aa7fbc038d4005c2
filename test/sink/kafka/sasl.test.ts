import kafkajs, { type AuthenticationProviderArgs } from "kafkajs";
import { expect, test } from "vitest";
import { accessError } from "../../../collectors/sink/kafka/access-error.ts";
import { type KafkaSasl, saslSettings } from "../../../collectors/sink/kafka/sasl.ts";

const TOKEN = "eyJhbGciOiJub25lIn0.e30.";

/** What a log says of a broker that gives an answer to a token, or fails so. */
async function lineOf(answer: string | Error, tokenCommand = ["echo", TOKEN]): Promise<string> {
  const sasl: KafkaSasl = {
    ...{ mechanism: "oauthbearer", username: null, passwordFile: null, passwordVariable: null, tokenCommand },
  };
  const settings = saslSettings(sasl);
  if (!("authenticationProvider" in settings)) throw new Error("it authenticates by kafkajs's own means");
  const broker = async ({ response }: { response?: { parse: (octets: Buffer) => unknown } }) => {
    if (answer instanceof Error) throw answer;
    return response?.parse(Buffer.from(answer));
  };
  const saslAuthenticate = broker as AuthenticationProviderArgs["saslAuthenticate"];
  const args = { host: "b", port: 1, saslAuthenticate } as AuthenticationProviderArgs;
  const error: unknown = await settings
    .authenticationProvider(args)
    .authenticate()
    .catch((error: unknown) => error);
  return accessError(error, { brokers: ["b:1"], clientId: "c", tls: null, sasl }).message;
}

const refusal = (message: string) =>
  new kafkajs.KafkaJSProtocolError(Object.assign(new Error(message), { code: 58, type: "SASL_AUTHENTICATION_FAILED" }));

test.each([
  ["an answer", `n,,\x01auth=Bearer ${TOKEN}\x01\x01`],
  ["an error", refusal(`no user has ${TOKEN}`)],
])("a token that a broker repeats in %s is in no line", async (_, answer) => {
  const line = await lineOf(answer);
  expect(line).toMatch(/does not let this client in: SASL OAUTHBEARER: the token is refused: .*TOKEN.*; check sink/);
  expect(line).not.toContain(TOKEN);
});

test.each([
  ["an answer", "A".repeat(20_000_000)],
  ["an error", refusal("A".repeat(30_000))],
])("of %s without end, a line has 200 characters at most", async (_, answer) => {
  expect(await lineOf(answer)).toMatch(/: [^A]*A{100,200}…; check sink\.kafka\.sasl$/);
});

test("what a terminal would obey is in no line", async () => {
  expect(await lineOf("\x1b]0;x\x07\x1b[31mbad\n\nsecond")).toContain("the token is refused: ·]0;x··[31mbad second; ");
});

test("a command that prints nothing has no token", async () => {
  expect(await lineOf("", ["true"])).toContain("the token command true prints nothing; check sink.kafka.sasl");
});
