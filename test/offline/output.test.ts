import { Writable } from "node:stream";
import { setImmediate } from "node:timers/promises";
import { expect, it } from "vitest";
import { Output } from "../../collectors/offline/output.ts";

it("leaves no listeners behind, however often the stream has too much", async () => {
  let drains = 0;
  const stream = new Writable({
    highWaterMark: 16,
    write: (_chunk, _encoding, done) => void setImmediate().then(() => done()),
  });
  stream.on("drain", () => drains++);
  const output = new Output(stream, () => {});
  const before = stream.eventNames().map((event) => [event, stream.listenerCount(event)]);
  for (let n = 0; n < 20; n++) {
    output.write("x".repeat(100));
    await output.flush();
  }
  expect(drains).toBe(20);
  expect(stream.eventNames().map((event) => [event, stream.listenerCount(event)])).toEqual(before);
});
