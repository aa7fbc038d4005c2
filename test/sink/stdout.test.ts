import { spawn } from "node:child_process";
import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import type { OutboxRecord } from "../../collectors/outbox/outbox.ts";
import { READER_GONE, StreamSink } from "../../collectors/sink/stdout.ts";

const never = new AbortController().signal;

const record = (text: string): OutboxRecord => ({
  recordClass: "ended",
  topic: "t",
  key: "k",
  value: Buffer.from(text),
  headers: {},
});

test("a record is a line", async () => {
  const stream = new PassThrough();
  const sink = new StreamSink(stream);
  await sink.open();
  expect(await sink.send([record("{}"), record('{"a":1}')], never)).toEqual(["acknowledged", "acknowledged"]);
  expect(String(stream.read())).toBe('{}\n{"a":1}\n');
});

test("a reader that has gone is told by its code, not acknowledged", async () => {
  const child = spawn("head", ["-n", "1"], { stdio: ["pipe", "ignore", "ignore"] });
  const exited = new Promise((resolve) => child.on("exit", resolve));
  const sink = new StreamSink(child.stdin);
  await sink.open();
  await sink.send([record("{}")], never);
  await exited;
  const attempt = (async () => {
    // The pipe may take one more write before it breaks.
    for (let n = 0; n < 10; n++) await sink.send([record("{}")], never);
  })();
  await expect(attempt).rejects.toMatchObject({ code: READER_GONE });
  await expect(sink.send([record("{}")], never)).rejects.toMatchObject({ code: READER_GONE });
});

test("a reader that stands still holds nothing up once the signal says so; what it did not take is unsent", async () => {
  const child = spawn("sleep", ["60"], { stdio: ["pipe", "ignore", "ignore"] });
  const sink = new StreamSink(child.stdin);
  await sink.open();
  const abort = new AbortController();
  setTimeout(() => abort.abort(), 200);
  const startedMs = Date.now();
  const outcomes = await sink.send(Array(1000).fill(record("x".repeat(999))), abort.signal);
  expect(Date.now() - startedMs).toBeLessThan(1000);
  child.kill();
  // Some fit into the pipe, whatever it holds here, and none behind one that did not.
  const taken = outcomes.filter((outcome) => outcome === "acknowledged").length;
  expect(taken).toBeGreaterThan(0);
  expect(taken).toBeLessThan(1000);
  expect(outcomes).toEqual(Array.from({ length: 1000 }, (_, n) => (n < taken ? "acknowledged" : "unsent")));
});
