import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { GapTeller } from "../../collectors/delivery/gap.ts";
import { LocalDelivery } from "../../collectors/delivery/local-delivery.ts";
import { DurableOutbox } from "../../collectors/outbox/durable.ts";
import { MemoryOutbox } from "../../collectors/outbox/memory.ts";
import type { Outbox, OutboxRecord } from "../../collectors/outbox/outbox.ts";
import { OperationalError } from "../../collectors/runtime/errors.ts";
import type { Sink } from "../../collectors/sink/sink.ts";
import { gapRecord } from "../../schema/gap-record.ts";

const log = pino({ level: "silent" });
const GAP = { observer: { name: "c1", version: "1" }, format: "json" } as const;

/** Takes everything, once it lets itself be opened. */
class Taking implements Sink {
  readonly records: OutboxRecord[] = [];
  trouble: Error | null = null;
  async open(): Promise<void> {
    if (this.trouble !== null) throw this.trouble;
  }
  async send(records: readonly OutboxRecord[]) {
    this.records.push(...records);
    return records.map(() => "acknowledged" as const);
  }
  async close(_limitMs?: number): Promise<void> {}
}
const record = (recordClass: "ended" | "updated", key: string): OutboxRecord => ({
  ...{ recordClass, topic: "t", key, value: Buffer.from("{}"), headers: {} },
});

describe("LocalDelivery", () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "rejoin-delivery-"));
  });
  afterEach(() => rmSync(directory, { recursive: true }));
  const onDisk = (): Promise<Outbox> =>
    DurableOutbox.open({ directory, maxOctets: 1e8, maxAgeMs: 1e9, syncMs: 50, atRest: null }, log);

  test("with an outbox on disk it opens though the sink is away, and delivers when that is back", async () => {
    const sink = new Taking();
    sink.trouble = new OperationalError("AWAY", "away", { retriable: true });
    const delivery = new LocalDelivery(await onDisk(), sink, GAP, log);
    await delivery.open();
    delivery.append([record("ended", "1")]);
    expect(delivery.stats()).toMatchObject({ made: 1, acknowledged: 0, stored: 1 });
    sink.trouble = null;
    while (sink.records.length === 0) await sleep(10);
    await delivery.stop(1000);
    expect(delivery.stats()).toMatchObject({ made: 1, acknowledged: 1, stored: 0, shed: {} });
  });

  test("with an outbox on disk it opens though the sink gives no answer, says so once, and takes the answer when it comes", async () => {
    const lines: string[] = [];
    const said = pino({ level: "warn" }, { write: (line: string) => void lines.push(JSON.parse(line).msg) });
    const sink = new Taking();
    let answer = () => {};
    const asked = vi.spyOn(sink, "open").mockReturnValue(new Promise((resolve) => (answer = resolve)));
    const delivery = new LocalDelivery(await onDisk(), sink, GAP, said, 50);
    await delivery.open();
    delivery.append([record("ended", "1")]);
    expect(delivery.stats()).toMatchObject({ made: 1, acknowledged: 0, stored: 1 });
    answer();
    while (sink.records.length === 0) await sleep(10);
    await delivery.stop(1000);
    expect([asked.mock.calls.length, delivery.stats().acknowledged]).toEqual([1, 1]);
    expect(lines).toEqual(["the sink has given no answer for 0.05 s; records wait in the outbox until then"]);
  });

  test("it does not where records would be in memory only, or where no later attempt can succeed", async () => {
    const sink = new Taking();
    sink.trouble = new OperationalError("AWAY", "away", { retriable: true });
    const inMemory = new LocalDelivery(new MemoryOutbox({ maxRecords: 9, maxOctets: 1e5 }), sink, GAP, log);
    await expect(inMemory.open()).rejects.toThrow("away");
    sink.trouble = new OperationalError("WRONG", "wrong");
    await expect(new LocalDelivery(await onDisk(), sink, GAP, log).open()).rejects.toThrow("wrong");
    // Whoever failed has let go of the directory.
    await (await DurableOutbox.open({ directory, maxOctets: 1e8, maxAgeMs: 1e9, syncMs: 50, atRest: null }, log)).end();
  });

  test("told to end while its sink gives no answer, it ends in its time, says so, and counts what it had as given up", async () => {
    const lines: string[] = [];
    const said = pino({ level: "warn" }, { write: (line: string) => void lines.push(JSON.parse(line).msg) });
    const sink = new Taking();
    let answer = () => {};
    vi.spyOn(sink, "open").mockReturnValue(new Promise((resolve) => (answer = resolve)));
    const delivery = new LocalDelivery(new MemoryOutbox({ maxRecords: 9, maxOctets: 1e5 }), sink, GAP, said);
    const opened = delivery.open();
    delivery.append([record("ended", "1")]);
    const begunMs = performance.now();
    await delivery.stop(200);
    expect(performance.now() - begunMs).toBeLessThan(300);
    expect(delivery.stats()).toMatchObject({ made: 1, stored: 0, shed: { "abandoned/ended": 1 } });
    expect(lines).toEqual(["the sink has given no answer since the start"]);
    // An answer after the end begins nothing.
    answer();
    await opened;
    expect([sink.records, delivery.stats().acknowledged]).toEqual([[], 0]);
  });

  test("told to end while its sink is about to answer, it delivers", async () => {
    const sink = new Taking();
    vi.spyOn(sink, "open").mockImplementation(() => sleep(50));
    const delivery = new LocalDelivery(new MemoryOutbox({ maxRecords: 9, maxOctets: 1e5 }), sink, GAP, log);
    void delivery.open();
    delivery.append([record("ended", "1")]);
    await delivery.stop(2000);
    expect(delivery.stats()).toMatchObject({ made: 1, acknowledged: 1, shed: {} });
  });

  test("a sink is told how long its farewell may take: what is left of the time", async () => {
    const sink = new Taking();
    const close = vi.spyOn(sink, "close");
    vi.spyOn(sink, "send").mockReturnValue(new Promise(() => {}));
    const delivery = new LocalDelivery(new MemoryOutbox({ maxRecords: 9, maxOctets: 1e5 }), sink, GAP, log);
    await delivery.open();
    delivery.append([record("ended", "1")]);
    await delivery.stop(100);
    expect(close.mock.calls[0]?.[0]).toBeLessThan(20);
  });

  test("one whose sink cannot be opened has stopped: to stop it again says nothing of the disk", async () => {
    const lines: string[] = [];
    const said = pino({ level: "warn" }, { write: (line: string) => void lines.push(JSON.parse(line).msg) });
    const options = { directory, maxOctets: 1e8, maxAgeMs: 1e9, syncMs: 50, atRest: null };
    const sink = new Taking();
    sink.trouble = new OperationalError("WRONG", "wrong");
    const delivery = new LocalDelivery(await DurableOutbox.open(options, said), sink, GAP, said);
    delivery.append([record("ended", "1")]);
    await expect(delivery.open()).rejects.toThrow("wrong");
    await delivery.stop(0);
    expect(lines).toEqual([]);
    const next = await DurableOutbox.open(options, said);
    expect(next.stats()).toMatchObject({ made: 1, stored: 1, shed: {} });
    await next.end();
  });

  test("what was shed is told once, by reason and class, with its time", async () => {
    const sink = new Taking();
    const begunMs = Date.now();
    const delivery = new LocalDelivery(new MemoryOutbox({ maxRecords: 4, maxOctets: 1e5 }), sink, GAP, log);
    delivery.append(["1", "2", "3"].map((key) => record("updated", key)));
    delivery.append(["4", "5", "6"].map((key) => record("ended", key)));
    await delivery.open();
    while (delivery.stats().stored > 0) await sleep(10);
    await delivery.stop(1000);
    expect(sink.records.map(({ topic }) => topic)).toEqual(["t", "t", "t", "t", "rejoin.agents.v1"]);
    const gap = gapRecord.parse(JSON.parse(Buffer.from(sink.records.at(-1)?.value ?? []).toString()));
    expect(gap.rejoin.gap).toEqual({ records: 2, shed: [{ reason: "full", class: "updated", records: 2 }] });
    expect(Date.parse(gap.event.start)).toBeGreaterThanOrEqual(begunMs);
    expect(Date.parse(gap.event.end)).toBeLessThanOrEqual(Date.now());
    expect(gap.observer).toEqual({ type: "rejoin", name: "c1", version: "1" });
    const { made, acknowledged, shed } = delivery.stats();
    expect([made, acknowledged, shed]).toEqual([7, 5, { "full/updated": 2 }]);
  });

  test("a gap record that finds no room is told later, with what was shed since", async () => {
    const outbox = new MemoryOutbox({ maxRecords: 1, maxOctets: 1e5 });
    const teller = new GapTeller(outbox, GAP);
    outbox.append([record("ended", "1"), record("ended", "2")]);
    const batch = await outbox.read(1, 1e5);
    teller.tell();
    expect(outbox.stats().shed).toEqual({ "full/ended": 1, "full/gap": 1 });
    outbox.settle((batch?.records ?? []).map(() => "acknowledged"));
    teller.tell();
    teller.stop();
    const told = await outbox.read(1, 1e5);
    const gap = gapRecord.parse(JSON.parse(Buffer.from(told?.records[0]?.value ?? []).toString()));
    expect(gap.rejoin.gap.records).toBe(2);
    expect(outbox.untold().shed).toEqual({});
  });

  test("what an earlier process shed and could not tell, the next one tells", async () => {
    const first = await onDisk();
    first.lose({ "full/chunk": 5 });
    first.close();
    if (first instanceof DurableOutbox) await first.end();
    const sink = new Taking();
    const delivery = new LocalDelivery(await onDisk(), sink, GAP, log);
    await delivery.open();
    await delivery.stop(1000);
    const [gap] = sink.records.map(({ value }) => gapRecord.parse(JSON.parse(Buffer.from(value).toString())));
    expect(gap?.rejoin.gap.shed).toEqual([{ reason: "full", class: "chunk", records: 5 }]);
    const again = new Taking();
    const next = new LocalDelivery(await onDisk(), again, GAP, log);
    await next.open();
    await next.stop(1000);
    expect(again.records).toEqual([]);
  });
});
