import { afterEach, beforeEach, describe, expect, it, test, vi } from "vitest";
import { limitedLog, plainLine } from "../../collectors/runtime/log.ts";

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

describe("a log", () => {
  let lines: { level: number; msg: string; [field: string]: unknown }[];
  const logTo = (level = "info") => limitedLog("test", level, { write: (line) => void lines.push(JSON.parse(line)) });
  const said = () => lines.map(({ level, msg }) => `${level} ${msg}`);

  beforeEach(() => {
    lines = [];
    vi.useFakeTimers();
  });
  afterEach(() => vi.useRealTimers());

  it("tells the same trouble five times in ten seconds, then how many more there were, and begins anew", () => {
    const log = logTo();
    for (let n = 1; n <= 1000; n++) log.error({ n }, `a dead letter cannot be kept: file ${n} is full`);
    expect(said()).toEqual([1, 2, 3, 4, 5].map((n) => `50 a dead letter cannot be kept: file ${n} is full`));
    vi.advanceTimersByTime(10_000);
    expect(said().slice(5)).toEqual(["50 and 995 more: a dead letter cannot be kept: file 1000 is full"]);
    expect(lines.at(-1)).toMatchObject({ more: 995 });
    log.error("a dead letter cannot be kept: file 1001 is full");
    vi.advanceTimersByTime(10_000);
    expect(said().slice(6)).toEqual(["50 a dead letter cannot be kept: file 1001 is full"]);
  });

  it("holds back no other kind, no other level, and nothing that is no trouble", () => {
    const log = logTo();
    for (let n = 0; n < 9; n++) {
      log.warn("one");
      log.error("one");
      log.warn("two");
      log.info("three");
    }
    const count = (line: string) => said().filter((one) => one === line).length;
    expect([count("40 one"), count("50 one"), count("40 two"), count("30 three")]).toEqual([5, 5, 5, 9]);
  });

  it.each([
    (n: number) => `nobody listens at 192.0.2.${n}:4754; is the collector running?`,
    (n: number) => `nobody listens at 192.0.2.1:${4754 + n}`,
    (n: number) => `nobody listens at [2001:db8::${n}]:4754`,
    (n: number) => `nobody listens at [${2001 + n}::9]:4754`,
    (n: number) => `the certificate of kafka-${n}.example.net:9093 expires`,
    (n: number) => `interface eth${n} is gone`,
    (n: number) => `${n}3a.example.net is away`,
  ])("tells apart whom a line is about: %s", (line) => {
    const log = logTo();
    for (let n = 1; n <= 8; n++) log.warn(line(n));
    expect(said()).toHaveLength(8);
  });

  it.each([
    (n: number) => `${n} packets are in no record: their flows are not known`,
    (n: number) => `packets of ${n}.`,
    (n: number) => `line ${n}: not read (errno ${n})`,
    (n: number) => `outbox/${String(n).padStart(6, "0")}.segment is damaged`,
    (n: number) => `${n},000 copies could not be sent to 192.0.2.9 (ENOBUFS)`,
  ])("takes lines for one kind that differ in a number only: %s", (line) => {
    const log = logTo();
    for (let n = 1; n <= 8; n++) log.warn(line(n));
    expect(said()).toHaveLength(5);
  });

  it("keeps to its level, then too", () => {
    const log = logTo("error");
    for (let n = 0; n < 9; n++) log.warn("one");
    vi.advanceTimersByTime(10_000);
    expect(said()).toEqual([]);
  });

  it("ends the oldest window where kinds are too many to tell apart", () => {
    const log = logTo();
    for (let n = 0; n < 7; n++) log.warn("oldest");
    for (let n = 0; n < 256; n++) log.warn(`kind ${"x".repeat(n)}`);
    expect(said().filter((line) => line.endsWith("oldest"))).toEqual([
      ...Array.from({ length: 5 }, () => "40 oldest"),
      "40 and 2 more: oldest",
    ]);
  });

  it("shows no field that is named as a secret is", () => {
    logTo().info({ token: "hidden", sasl: { username: "user", password: "hidden" }, topic: "shown" }, "told");
    expect(JSON.stringify(lines)).not.toContain("hidden");
    expect(lines[0]).toMatchObject({
      token: "(secret)",
      sasl: { username: "user", password: "(secret)" },
      topic: "shown",
    });
  });

  it("shows what only has such a name: counts of the check of tokens", () => {
    logTo().info({ verdicts: { token: { verified: 7, failed: 1 } } }, "totals");
    expect(lines[0]).toMatchObject({ verdicts: { token: { verified: 7, failed: 1 } } });
  });
});
