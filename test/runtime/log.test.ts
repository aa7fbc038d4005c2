import { expect, test } from "vitest";
import { plainLine } from "../../collectors/runtime/log.ts";

test.each([
  [{ level: 30, msg: "listening" }, "14:34:08 listening\n"],
  [{ level: 40, msg: "small", granted: 1 }, '14:34:08 warning: small  {"granted":1}\n'],
  [
    { level: 40, msg: "a\u001b[31mb\nc", path: "d\u009b31m\u001b" },
    '14:34:08 warning: a·[31mb·c  {"path":"d\\u009b31m\\u001b"}\n',
  ],
  [{ level: 50, msg: "bad" }, "14:34:08 error: bad\n"],
])("%o", (fields, line) => {
  expect(plainLine(JSON.stringify({ time: "2026-11-23T14:34:08.000Z", name: "collect", ...fields }))).toBe(line);
});
