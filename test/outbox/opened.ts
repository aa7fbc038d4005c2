import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect } from "vitest";
import { DurableOutbox, type DurableOutboxOptions } from "../../collectors/outbox/durable.ts";
import type { Batch, OutboxRecord, RecordClass } from "../../collectors/outbox/outbox.ts";

/** Each test has a directory of its own, and what its outboxes warned of. */
export let directory: string;
export let warnings: string[];
const log = { warn: (...args: unknown[]) => void warnings.push(String(args.at(-1))) };
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "rejoin-outbox-"));
  warnings = [];
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** Opens an outbox there. */
export const open = (more: Partial<DurableOutboxOptions> = {}) =>
  DurableOutbox.open({ directory, maxOctets: 1e9, maxAgeMs: 1e9, syncMs: 10, atRest: null, ...more }, log);
/** A record whose octets are made of its key. */
export const record = (recordClass: RecordClass, key: string, octets = 10): OutboxRecord => ({
  recordClass,
  topic: "t",
  key,
  value: Buffer.alloc(octets, key),
  headers: { ce_id: key },
});
/** Which records a batch has, by their keys. */
export const keys = (batch: Batch | null) => batch?.records.map(({ key }) => key);
/** Has a whole batch acknowledged. */
export const settle = (outbox: DurableOutbox, batch: Batch | null) =>
  outbox.settle((batch?.records ?? []).map(() => "acknowledged"));
/** Closes an outbox, and returns what was still in it. */
export const all = async (outbox: DurableOutbox): Promise<OutboxRecord[]> => {
  outbox.close();
  const records: OutboxRecord[] = [];
  for (let batch = await outbox.read(500, 1e7); batch !== null; batch = await outbox.read(500, 1e7)) {
    records.push(...batch.records);
    settle(outbox, batch);
  }
  return records;
};
/** Every record that was made is acknowledged, stored or shed. */
export const expectIdentity = (outbox: DurableOutbox) => {
  const { made, acknowledged, stored, shed } = outbox.stats();
  expect(acknowledged + stored + Object.values(shed).reduce((sum, count) => sum + count, 0)).toBe(made);
};
/** The names of segment files, damaged ones left out. */
export const segments = () => readdirSync(directory).filter((name) => name.endsWith(".segment"));
