import { spawn } from "node:child_process";
import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { READER_GONE, StreamSink } from "../../../collectors/central/sink/stdout.ts";
import type { OutboxRecord } from "../../../collectors/outbox/outbox.ts";

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
  expect(await sink.send([record("{}"), record('{"a":1}')])).toEqual(["acknowledged", "acknowledged"]);
  expect(String(stream.read())).toBe('{}\n{"a":1}\n');
});

test("a reader that has gone is told by its code, not acknowledged", async () => {
  const child = spawn("head", ["-n", "1"], { stdio: ["pipe", "ignore", "ignore"] });
  const exited = new Promise((resolve) => child.on("exit", resolve));
  const sink = new StreamSink(child.stdin);
  await sink.open();
  await sink.send([record("{}")]);
  await exited;
  const attempt = (async () => {
    // The pipe may take one more write before it breaks.
    for (let n = 0; n < 10; n++) await sink.send([record("{}")]);
  })();
  await expect(attempt).rejects.toMatchObject({ code: READER_GONE });
  await expect(sink.send([record("{}")])).rejects.toMatchObject({ code: READER_GONE });
});
