import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { MSGPACK, pythonMissing, pythonWith } from "../../support/python.ts";
import { titled } from "../../support/requirements.ts";
import { GOLDEN } from "./golden.ts";

const DECODER = fileURLToPath(new URL("../../../docs/consumers/python/", import.meta.url));
const reason = pythonMissing(MSGPACK);

/** What Python makes of the decoder's answer for `file`: the record with the types that its page promises. */
function decoded(file: string) {
  const program = `
import json, sys, rejoin_records
record = rejoin_records.decode(open(sys.argv[1], "rb").read())
wide = record.get("mptcp", {}).get("idsn", {}).values()
assert all(value is None or type(value) is int for value in wide), wide
octets = record.get("mptcp", {}).get("chunk", {}).get("octets", b"")
assert type(octets) is bytes, octets
print(json.dumps(record, default=bytes.hex))`;
  const { stdout, stderr } = spawnSync(pythonWith(MSGPACK), ["-c", program, file], {
    env: { PYTHONPATH: DECODER, PYTHONDONTWRITEBYTECODE: "1" },
    encoding: "utf8",
  });
  // Integers beyond 2^53 stand where JSON.parse would round them.
  return stderr !== "" ? stderr : JSON.parse(stdout.replace(/("(?:initiator|responder)": )(\d{16,})/g, '$1"$2"'));
}

/** The record as Python has it: octets in hexadecimal. */
function expected(record: Record<string, unknown>) {
  const copy = structuredClone(record) as { mptcp?: { chunk?: { octets: string } } };
  if (copy.mptcp?.chunk) copy.mptcp.chunk.octets = Buffer.from(copy.mptcp.chunk.octets, "base64").toString("hex");
  return copy;
}

describe.skipIf(reason)(titled("docs/consumers/python", reason), () => {
  it.each(GOLDEN)("decodes $name from both encodings", ({ msgpack, json, record }) => {
    expect(decoded(msgpack)).toEqual(expected(record));
    expect(decoded(json)).toEqual(expected(record));
  });

  it("names what is no record", () => {
    const tries = ["b''", "b'hello'", "b'{'", "b'{}'", "b'\\x80'", "b'\\xde\\x00'", `b'{"event": 1}'`];
    const program = `
import rejoin_records
for value in [${tries.join(", ")}]:
    try:
        print("taken", rejoin_records.decode(value))
    except rejoin_records.NotARecord as error:
        print("refused")`;
    const { stdout, stderr } = spawnSync(pythonWith(MSGPACK), ["-c", program], {
      env: { PYTHONPATH: DECODER, PYTHONDONTWRITEBYTECODE: "1" },
      encoding: "utf8",
    });
    expect([stdout, stderr]).toEqual(["refused\n".repeat(tries.length), ""]);
  });
});
