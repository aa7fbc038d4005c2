import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterEach, beforeEach, expect, test } from "vitest";
import { AtRest } from "../../collectors/outbox/at-rest.ts";
import type { OutboxRecord } from "../../collectors/outbox/outbox.ts";
import { DeadLetters } from "../../collectors/sink/dead-letters.ts";

const log = pino({ level: "silent" });
const value = Buffer.from('{"source":{"ip":"192.0.2.1"}}');
const record: OutboxRecord = { recordClass: "ended", topic: "t", key: "k", headers: { ce_id: "1" }, value };

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "rejoin-dead-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));
const letterOf = async (atRest: AtRest | null) => {
  const letters = new DeadLetters(directory, atRest, log);
  letters.add(record);
  await letters.close();
  return JSON.parse(readFileSync(join(directory, "dead-letters.jsonl"), "utf8"));
};

test("without a key a dead letter has the value as it is", async () => {
  const { value: base64, ...rest } = await letterOf(null);
  expect(rest).toEqual({ topic: "t", key: "k", headers: { ce_id: "1" } });
  expect(Buffer.from(base64, "base64")).toEqual(value);
});

test("with the outbox's key nothing of the value is in clear, and the key gives it back", async () => {
  const atRest = new AtRest(Buffer.alloc(32, 1));
  const letter = await letterOf(atRest);
  expect(letter.value).toBeUndefined();
  const encrypted = Buffer.from(letter.encrypted, "base64");
  expect(encrypted.includes("192.0.2.1")).toBe(false);
  expect(Buffer.from(atRest.decrypt(encrypted, Buffer.from("t")))).toEqual(value);
  expect(() => atRest.decrypt(encrypted, Buffer.from("u"))).toThrow();
});
