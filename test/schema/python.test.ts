import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { encode } from "../../schema/encoding.ts";
import { MSGPACK, pythonMissing, pythonWith } from "../support/python.ts";
import { titled } from "../support/requirements.ts";

/** Decodes standard input and prints it as JSON with the type of each leaf: `{"a": 1}` as `{"a": ["int", "1"]}`. */
const PROGRAM = `
import json, msgpack, sys
def typed(value):
    if isinstance(value, dict): return {name: typed(field) for name, field in value.items()}
    if isinstance(value, list): return [typed(item) for item in value]
    if isinstance(value, bytes): return ["bytes", value.hex()]
    return [type(value).__name__, str(value)]
print(json.dumps(typed(msgpack.unpackb(sys.stdin.buffer.read()))))
`;

/** What PROGRAM must print of a record. */
function typed(value: unknown, path = ""): unknown {
  if (Array.isArray(value)) return value.map((item) => typed(item, path));
  if (value !== null && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, typed(field, `${path}.${name}`)]));
  }
  if (value === null) return ["NoneType", "None"];
  if (typeof value === "boolean") return ["bool", value ? "True" : "False"];
  if (typeof value === "number" && !Number.isInteger(value)) return ["float", String(value)];
  if (typeof value === "number" || path.startsWith(".mptcp.idsn.")) return ["int", String(value)];
  if (path === ".mptcp.chunk.octets") return ["bytes", Buffer.from(String(value), "base64").toString("hex")];
  return ["str", value];
}

const reason = pythonMissing(MSGPACK);

describe.skipIf(reason)(titled("Python's msgpack", reason), () => {
  it.each(["session-ended", "session-opened", "session-orphan", "agent", "finding", "stream"])(
    "reads %s with its types",
    (name) => {
      const file = new URL(`../../schema/examples/${name}.json`, import.meta.url);
      const record = JSON.parse(readFileSync(file, "utf8"));
      const printed = execFileSync(pythonWith(MSGPACK), ["-c", PROGRAM], {
        input: encode(record, "msgpack"),
        encoding: "utf8",
      });
      expect(JSON.parse(printed)).toEqual(typed(record));
    },
  );

  it("reads the largest IDSN as an integer", () => {
    const record = { mptcp: { idsn: { initiator: "18446744073709551615", responder: "0" } } };
    const printed = execFileSync(pythonWith(MSGPACK), ["-c", PROGRAM], {
      input: encode(record, "msgpack"),
      encoding: "utf8",
    });
    expect(JSON.parse(printed)).toEqual(typed(record));
  });
});
