import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import fs, {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { AtRest } from "../../collectors/outbox/at-rest.ts";
import { DurableOutbox, type DurableOutboxOptions } from "../../collectors/outbox/durable.ts";
import { MAGIC } from "../../collectors/outbox/frame.ts";
import type { Batch, OutboxRecord, RecordClass } from "../../collectors/outbox/outbox.ts";
import { needs, titled } from "../support/requirements.ts";

const APPENDER = fileURLToPath(new URL("../../dist/test/outbox/appender.js", import.meta.url));

let directory: string;
let warnings: string[];
const log = { warn: (...args: unknown[]) => void warnings.push(String(args.at(-1))) };
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "rejoin-outbox-"));
  warnings = [];
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const open = (more: Partial<DurableOutboxOptions> = {}) =>
  DurableOutbox.open({ directory, maxOctets: 1e9, maxAgeMs: 1e9, syncMs: 10, atRest: null, ...more }, log);
const record = (recordClass: RecordClass, key: string, octets = 10): OutboxRecord => ({
  recordClass,
  topic: "t",
  key,
  value: Buffer.alloc(octets, key),
  headers: { ce_id: key },
});
const keys = (batch: Batch | null) => batch?.records.map(({ key }) => key);
const settle = (outbox: DurableOutbox, batch: Batch | null) =>
  outbox.settle((batch?.records ?? []).map(() => "acknowledged"));
const all = async (outbox: DurableOutbox): Promise<OutboxRecord[]> => {
  outbox.close();
  const records: OutboxRecord[] = [];
  for (let batch = await outbox.read(500, 1e7); batch !== null; batch = await outbox.read(500, 1e7)) {
    records.push(...batch.records);
    settle(outbox, batch);
  }
  return records;
};
const expectIdentity = (outbox: DurableOutbox) => {
  const { made, acknowledged, stored, shed } = outbox.stats();
  expect(acknowledged + stored + Object.values(shed).reduce((sum, count) => sum + count, 0)).toBe(made);
};
const segments = () => readdirSync(directory).filter((name) => name.endsWith(".segment"));

describe("DurableOutbox", () => {
  test("what was appended is there in the next process, in the order of all classes, and what was settled is not", async () => {
    const first = await open();
    first.append([record("opened", "1"), record("ended", "2"), record("chunk", "3")]);
    first.append([record("updated", "4"), record("opened", "5"), record("finding", "6")]);
    settle(first, await first.read(2, 1e6));
    await first.end();
    const second = await open();
    expect(second.stats()).toMatchObject({ made: 6, acknowledged: 2, stored: 4 });
    second.append([record("ended", "7")]);
    const records = await all(second);
    expect(records.map(({ key }) => key)).toEqual(["3", "4", "5", "6", "7"]);
    expect(records[0]).toEqual(record("chunk", "3"));
    expect(second.stats()).toMatchObject({ made: 7, acknowledged: 7, stored: 0, shed: {} });
    await second.end();
  });

  test("segments whose records are settled are deleted", async () => {
    const outbox = await open({ maxOctets: 4e6 });
    for (let n = 0; n < 40; n++) outbox.append([record("ended", String(n), 20_000)]);
    expect(segments().length).toBeGreaterThan(5);
    expect((await all(outbox)).map(({ key }) => key)).toEqual(Array.from({ length: 40 }, (_, n) => String(n)));
    expect(segments().length).toBeLessThanOrEqual(1);
    expect(outbox.stats().storedOctets).toBeLessThan(100_000);
    await outbox.end();
  });

  test("full: whole segments go, chunks first, the oldest first; what is under way stays", async () => {
    const outbox = await open({ maxOctets: 1e6 });
    const append = (recordClass: RecordClass, from: number, count: number) => {
      for (let n = from; n < from + count; n++) outbox.append([record(recordClass, `${recordClass} ${n}`, 20_000)]);
    };
    append("ended", 0, 10);
    append("chunk", 0, 10);
    append("updated", 0, 10);
    const underWay = await outbox.read(1, 1e6);
    expect(keys(underWay)).toEqual(["ended 0"]);
    append("ended", 10, 20);
    expect(outbox.stats().shed).toEqual({ "full/chunk": 4 });
    append("ended", 30, 30);
    expect(outbox.stats()).toMatchObject({ shed: { "full/chunk": 10, "full/updated": 10 } });
    expect(outbox.stats().storedOctets).toBeLessThanOrEqual(1e6);
    expectIdentity(outbox);
    settle(outbox, underWay);
    const left = (await all(outbox)).map(({ key }) => key);
    expect(left.at(-1)).toBe("ended 59");
    expect(left).toEqual([...left].sort((a, b) => Number(a.slice(6)) - Number(b.slice(6))));
    expectIdentity(outbox);
    await outbox.end();
  });

  test("segments that were shed and cannot be deleted are counted once, and the next process has none of them", async () => {
    const first = await open({ maxOctets: 1e6 });
    const real = fs.rmSync;
    fs.rmSync = (path) => {
      throw new Error(`EPERM: ${path}`);
    };
    syncBuiltinESMExports();
    try {
      for (let n = 0; n < 100; n++) first.append([record("chunk", String(n), 20_000)]);
    } finally {
      fs.rmSync = real;
      syncBuiltinESMExports();
    }
    expect(warnings.join()).toMatch(/EPERM: .*segment/);
    const { made, stored, shed } = first.stats();
    expect(made).toBe(100);
    expectIdentity(first);
    await first.end();
    const second = await open({ maxOctets: 1e6 });
    expect(second.stats()).toMatchObject({ made, stored, shed });
    const left = (await all(second)).map(({ key }) => key);
    expect(left).toEqual(Array.from({ length: stored }, (_, n) => String(100 - stored + n)));
    await second.end();
  });

  test("records that are too old go; a clock that is set makes none older or younger", async () => {
    vi.useFakeTimers({ toFake: ["Date", "performance"] });
    try {
      const outbox = await open({ maxAgeMs: 150 });
      outbox.append([record("finding", "1")]);
      for (const time of ["1990-01-01", "2090-01-01"]) {
        vi.setSystemTime(new Date(time));
        outbox.append([record("finding", time)]);
      }
      expect(outbox.stats()).toMatchObject({ stored: 3, shed: {} });
      vi.advanceTimersByTime(250);
      outbox.append([record("finding", "young")]);
      expect(outbox.stats()).toMatchObject({ made: 4, stored: 1, shed: { "old/finding": 3 } });
      await outbox.end();
    } finally {
      vi.useRealTimers();
    }
  });

  test("records that are too old go from behind those under way, and no young ones with them", async () => {
    vi.useFakeTimers({ toFake: ["Date", "performance"] });
    try {
      const outbox = await open({ maxAgeMs: 1000 });
      outbox.append([record("finding", "under way")]);
      expect(keys(await outbox.read(1, 1e6))).toEqual(["under way"]);
      // A day of an outage: a record every tenth of a second for three seconds, each in a segment of its own or nearly.
      for (let n = 0; n < 30; n++) {
        vi.advanceTimersByTime(100);
        outbox.append([record("finding", `${n}`, 20_000)]);
      }
      const { stored, shed } = outbox.stats();
      const old = shed["old/finding"] ?? 0;
      expect(stored + old).toBe(31);
      // Those of the last second, the one under way, and what shares a segment with a young one.
      expect(stored).toBeGreaterThanOrEqual(11);
      expect(stored).toBeLessThan(20);
      outbox.settle(["acknowledged"]);
      const left = keys(await outbox.read(100, 1e9));
      expect(left?.slice(-10)).toEqual(Array.from({ length: 10 }, (_, n) => `${20 + n}`));
      await outbox.end();
    } finally {
      vi.useRealTimers();
    }
  });

  test("abandoned, it counts what only memory has, under way or not, and leaves the rest to the next process", async () => {
    const first = await open();
    first.append([record("ended", "1"), record("opened", "2")]);
    const real = fs.writeSync;
    fs.writeSync = ((fd: number, octets: Buffer, ...rest: []) => {
      if (octets.subarray(0, MAGIC.length).equals(MAGIC)) throw new Error("ENOSPC");
      return real(fd, octets, ...rest);
    }) as typeof fs.writeSync;
    syncBuiltinESMExports();
    try {
      first.append(["3", "4", "5", "6"].map((key) => record(key === "4" ? "updated" : "ended", key)));
    } finally {
      fs.writeSync = real;
      syncBuiltinESMExports();
    }
    expect(warnings.join()).toMatch(/the disk does not take records: ENOSPC/);
    expect(keys(await first.read(5, 1e6))).toEqual(["1", "2", "3", "4", "5"]);
    // The first is settled; what memory has of the others is given up.
    first.settle(["acknowledged", "unsent", "unsent", "unsent", "unsent"]);
    first.abandon();
    const account = { made: 6, acknowledged: 1, stored: 1, shed: { "abandoned/ended": 3, "abandoned/updated": 1 } };
    expect(first.stats()).toMatchObject(account);
    await first.end();
    warnings = [];
    const second = await open();
    expect(second.stats()).toMatchObject(account);
    expect((await all(second)).map(({ key }) => key)).toEqual(["2"]);
    await second.end();
    expect(warnings).toEqual([]);
  });

  test("unsent records come again first, and what stands behind them, too", async () => {
    const outbox = await open();
    outbox.append(["1", "2", "3", "4"].map((key) => record("ended", key)));
    const batch = await outbox.read(4, 1e6);
    expect(batch?.position).toBe(4);
    outbox.settle(["acknowledged", "refused", "unsent", "acknowledged"]);
    expect(outbox.stats()).toMatchObject({ acknowledged: 1, stored: 2, shed: { "refused/ended": 1 } });
    expect(keys(await outbox.read(4, 1e6))).toEqual(["3", "4"]);
    await outbox.end();
    const again = await open();
    expect(again.stats()).toMatchObject({ made: 4, acknowledged: 1, stored: 2, shed: { "refused/ended": 1 } });
    expect((await all(again)).map(({ key }) => key)).toEqual(["3", "4"]);
    await again.end();
  });

  test("a position that the sink remembers is where reading begins", async () => {
    const first = await open();
    first.append(["1", "2", "3", "4"].map((key, n) => record(n % 2 === 0 ? "ended" : "opened", key)));
    await first.end();
    const second = await open();
    second.skipTo(3);
    expect(second.stats()).toMatchObject({ made: 4, acknowledged: 3, stored: 1 });
    expect((await all(second)).map(({ key }) => key)).toEqual(["4"]);
    expect(second.id).toBe(first.id);
    await second.end();
  });

  test("killed at any instant: what append was given is settled or stored, once, in order", async () => {
    let settled = 0;
    let made = 0;
    // The first ones in the midst of making files.
    for (const delayMs of [0, 1, 2, 4, 7, 12, 20, 60, 150, 300]) {
      const child = spawn(process.execPath, [APPENDER, directory, String(made)], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      let said = "";
      child.stdout.on("data", (chunk) => {
        said += chunk;
      });
      await Promise.race([once(child.stdout, "data"), once(child, "close")]);
      expect(child.exitCode).toBeNull();
      await new Promise((resolve) => setTimeout(resolve, delayMs));
      child.kill("SIGKILL");
      await once(child, "close");
      const told = Number(said.slice(0, said.lastIndexOf("\n")).split("\n").at(-1));
      const outbox = await open();
      const stats = outbox.stats();
      expectIdentity(outbox);
      expect(stats.shed).toEqual({});
      expect(stats.made).toBeGreaterThanOrEqual(told);
      made = stats.made;
      // All may be settled: closed, it does not wait for more.
      outbox.close();
      const batch = await outbox.read(1e6, 1e9);
      const numbers = (batch?.records ?? []).map(({ value }) => Number(Buffer.from(value).toString()));
      expect(stats.acknowledged).toBeGreaterThanOrEqual(settled);
      settled = stats.acknowledged;
      expect(numbers).toEqual(Array.from({ length: made - settled }, (_, i) => settled + i));
      await outbox.end();
    }
    expect(settled).toBeGreaterThan(0);
  });

  test("a file that a process made and ended before it wrote is no segment: nothing is lost with it", async () => {
    await (await open()).end();
    writeFileSync(join(directory, "ended-0000000000000000.segment"), "");
    const first = await open();
    first.append(["1", "2"].map((key) => record("ended", key)));
    settle(first, await first.read(1, 1e6));
    await first.end();
    const second = await open();
    expect(second.stats()).toMatchObject({ made: 2, acknowledged: 1, stored: 1, shed: {} });
    expect((await all(second)).map(({ key }) => key)).toEqual(["2"]);
    await second.end();
  });

  test("a part that is damaged is set aside, counted and told; the rest is read", async () => {
    const first = await open({ maxOctets: 4e6 });
    for (let n = 0; n < 30; n++) first.append([record("ended", String(n), 20_000)]);
    await first.end();
    const [, name = ""] = segments().sort();
    const path = join(directory, name);
    const octets = readFileSync(path);
    octets[30_000] = 255 - (octets[30_000] ?? 0);
    writeFileSync(path, octets);
    const second = await open({ maxOctets: 4e6 });
    const read = await all(second);
    expectIdentity(second);
    const { shed, acknowledged } = second.stats();
    expect(acknowledged).toBe(read.length);
    expect(shed["damaged/ended"]).toBe(30 - read.length);
    expect(read.length).toBeGreaterThan(20);
    expect(warnings.join()).toMatch(/segment: damaged at octet \d+; it is set aside/);
    expect(existsSync(`${path}.damaged`)).toBe(true);
    await second.end();
  });

  const sealed = async () => {
    const outbox = await open({ maxOctets: 4e6 });
    for (let n = 0; n < 30; n++) outbox.append([record("ended", String(n), 20_000)]);
    await outbox.end();
    const names = segments().sort();
    expect(names.length).toBeGreaterThan(3);
    return join(directory, names[1] ?? "");
  };
  const unreadable = (path: string) => {
    renameSync(path, `${path}.whole`);
    symlinkSync(path, path);
  };
  const readableAgain = (path: string) => renameSync(`${path}.whole`, path);

  test("a segment that the disk does not give now is no damage: it is asked for again", async () => {
    const path = await sealed();
    const outbox = await open({ maxOctets: 4e6 });
    unreadable(path);
    const first = await outbox.read(30, 1e7);
    expect(keys(first)).toEqual(Array.from({ length: first?.records.length ?? 0 }, (_, n) => String(n)));
    settle(outbox, first);
    const next = outbox.read(30, 1e7);
    await expect.poll(() => warnings.join(), { timeout: 10_000 }).toMatch(/ELOOP/);
    readableAgain(path);
    settle(outbox, await next);
    expect(warnings.join()).toMatch(/the disk does not give records: ELOOP.*; they are asked for again until it does/);
    expect(outbox.stats()).toMatchObject({ made: 30, acknowledged: 30, stored: 0, shed: {} });
    await outbox.end();
  });

  test("closed, it leaves what the disk does not give to the next process; opening says so in one clear line", async () => {
    const path = await sealed();
    const first = await open({ maxOctets: 4e6 });
    unreadable(path);
    const acknowledged = (await all(first)).length;
    await first.end();
    await expect(open()).rejects.toThrow(/no outbox can be kept there: ELOOP/);
    readableAgain(path);
    const second = await open({ maxOctets: 4e6 });
    expect(second.stats()).toMatchObject({ made: 30, acknowledged, stored: 30 - acknowledged, shed: {} });
    expect(await all(second)).toHaveLength(30 - acknowledged);
    await second.end();
  });

  test("of a damaged segment what was acknowledged before counts as that, and not as lost too", async () => {
    const first = await open();
    for (let batch = 0; batch < 2; batch++) first.append(Array.from({ length: 10 }, () => record("ended", "k")));
    settle(first, await first.read(5, 1e6));
    await first.end();
    const [name = ""] = readdirSync(directory).filter((one) => one.endsWith(".segment"));
    const octets = readFileSync(join(directory, name));
    octets[60] = (octets[60] ?? 0) ^ 1;
    writeFileSync(join(directory, name), octets);
    const second = await open();
    expect(second.stats()).toMatchObject({ made: 20, acknowledged: 5, stored: 0, shed: { "damaged/ended": 15 } });
    await second.end();
  });

  test("of a damaged segment that an account does not know all of, all counts as damaged", async () => {
    const first = await open();
    first.append(Array.from({ length: 10 }, () => record("ended", "k")));
    await first.end();
    const ledger = readFileSync(join(directory, "ledger"));
    const more = await open();
    more.append(Array.from({ length: 10 }, () => record("ended", "k")));
    await more.end();
    // As where a power cut took the account's last entries.
    writeFileSync(join(directory, "ledger"), ledger);
    for (const name of readdirSync(directory).filter((one) => one.endsWith(".segment"))) {
      const octets = readFileSync(join(directory, name));
      octets[60] = (octets[60] ?? 0) ^ 1;
      writeFileSync(join(directory, name), octets);
    }
    const second = await open();
    expect(second.stats()).toMatchObject({ made: 20, acknowledged: 0, stored: 0, shed: { "damaged/ended": 20 } });
    await second.end();
  });

  test("a segment that is removed while it is open is counted as damaged, and the rest is read", async () => {
    const path = await sealed();
    const outbox = await open({ maxOctets: 4e6 });
    rmSync(path);
    const read = await all(outbox);
    expect(read.length).toBeGreaterThan(20);
    expect(outbox.stats()).toMatchObject({ stored: 0, shed: { "damaged/ended": 30 - read.length } });
    expectIdentity(outbox);
    expect(warnings.join()).toMatch(/segment: it is gone; it cannot be set aside: ENOENT/);
    await outbox.end();
  });

  test("a damaged segment that cannot be renamed is counted once, by this process and the next", async () => {
    const path = await sealed();
    const octets = readFileSync(path);
    octets[30_000] = 255 - (octets[30_000] ?? 0);
    writeFileSync(path, octets);
    mkdirSync(join(`${path}.damaged`, "in the way"), { recursive: true });
    const first = await open({ maxOctets: 4e6 });
    // Nothing is settled, so that the next process begins before it.
    const length = (await first.read(30, 1e7))?.records.length ?? 0;
    expect(first.stats()).toMatchObject({ made: 30, stored: length, shed: { "damaged/ended": 30 - length } });
    await first.end();
    const second = await open({ maxOctets: 4e6 });
    // What was read of it before the damage, and not settled, has gone with it.
    const left = (await all(second)).length;
    expect(length - left).toBe(1);
    const shed = { "damaged/ended": 30 - left };
    expect(second.stats()).toMatchObject({ made: 30, acknowledged: left, stored: 0, shed });
    expect(existsSync(path)).toBe(true);
    await second.end();
  });

  test("a damaged segment that a sink's position ends in is set aside, and what was taken of others counted", async () => {
    const path = await sealed();
    const outbox = await open({ maxOctets: 4e6 });
    const first = Number(/(\d+)\.segment$/.exec(path)?.[1]);
    writeFileSync(path, Buffer.alloc(statSync(path).size, 7));
    outbox.skipTo(first + 1);
    const { acknowledged, stored, shed } = outbox.stats();
    expect(acknowledged).toBe(first);
    expect(shed["damaged/ended"]).toBe(30 - first - stored);
    expect(await all(outbox)).toHaveLength(stored);
    await outbox.end();
  });

  test("octets behind a segment's footer are cut off, and its records count once", async () => {
    const path = await sealed();
    const { size } = statSync(path);
    appendFileSync(path, "sixteen octets !");
    const outbox = await open({ maxOctets: 4e6 });
    expect(outbox.stats()).toMatchObject({ made: 30, stored: 30 });
    expect(statSync(path).size).toBe(size);
    expect(await all(outbox)).toHaveLength(30);
    expect(outbox.stats()).toMatchObject({ made: 30, acknowledged: 30, stored: 0, shed: {} });
    expect(segments()).toEqual([]);
    await outbox.end();
  });

  test("at its end it waits for the disk: segments first, then the ledger", async () => {
    const outbox = await open({ syncMs: 1e6 });
    outbox.append([record("ended", "1"), record("opened", "2")]);
    const real = fs.fdatasyncSync;
    const synced: string[] = [];
    fs.fdatasyncSync = (fd) => {
      synced.push(basename(readlinkSync(`/proc/self/fd/${fd}`)).replace(/-.*/, ""));
      real(fd);
    };
    syncBuiltinESMExports();
    try {
      await outbox.end();
    } finally {
      fs.fdatasyncSync = real;
      syncBuiltinESMExports();
    }
    expect(synced).toEqual(["opened", "ended", "ledger"]);
  });

  test("of damaged segments the four newest stay, whatever their class, and the ledger that was set aside", async () => {
    const aside = (recordClass: string, first: number) =>
      `${recordClass}-${String(first).padStart(16, "0")}.segment.damaged`;
    const old = [aside("updated", 1), aside("ended", 2)];
    const young = [aside("finding", 3), aside("ended", 40), aside("chunk", 500), aside("chunk", 6000)];
    for (const name of [...old, ...young, "ledger.damaged"]) writeFileSync(join(directory, name), "?");
    const outbox = await open();
    const left = readdirSync(directory).filter((name) => name.endsWith(".damaged"));
    expect(left.sort()).toEqual([...young, "ledger.damaged"].sort());
    await outbox.end();
  });

  test("segments cut short, gone, or full of something else, and a damaged ledger: it opens, and says so", async () => {
    for (const harm of ["cut", "gone", "noise", "ledger", "empty ledger"] as const) {
      const first = await open({ maxOctets: 4e6 });
      for (let n = 0; n < 10; n++) first.append([record("ended", String(n), 30_000), record("opened", String(n))]);
      await first.end();
      const path = join(directory, segments().sort()[0] ?? "");
      if (harm === "cut") truncateSync(path, 40_000);
      if (harm === "gone") rmSync(path);
      if (harm === "noise") writeFileSync(path, Buffer.alloc(statSync(path).size, 7));
      if (harm === "ledger") writeFileSync(join(directory, "ledger"), Buffer.alloc(16_384, 7));
      if (harm === "empty ledger") truncateSync(join(directory, "ledger"), 0);
      warnings = [];
      const second = await open({ maxOctets: 4e6 });
      await all(second);
      expectIdentity(second);
      expect([harm, warnings.length > 0]).toEqual([harm, harm !== "empty ledger"]);
      await second.end();
      rmSync(directory, { recursive: true });
      mkdirSync(directory);
    }
  });

  test("with a key nothing of a record stands on the disk, and another key is one clear line", async () => {
    const keyFile = join(tmpdir(), `rejoin-key-${process.pid}`);
    writeFileSync(keyFile, `${"ab".repeat(32)}\n`);
    const atRest = AtRest.fromFile(keyFile);
    rmSync(keyFile);
    const secret = record("ended", "a secret key");
    const first = await open({ atRest });
    first.append([secret]);
    await first.end();
    for (const name of segments()) expect(readFileSync(join(directory, name)).includes("a secret")).toBe(false);
    await expect(open({ atRest: new AtRest(Buffer.alloc(32)) })).rejects.toMatchObject({
      message: expect.stringMatching(/its records were written with another key/),
    });
    await expect(open()).rejects.toMatchObject({ code: "OUTBOX_KEY" });
    const second = await open({ atRest });
    expect(await all(second)).toEqual([secret]);
    await second.end();
    for (const name of segments()) rmSync(join(directory, name));
    const plain = await open();
    plain.append([secret]);
    await plain.end();
    expect(segments().some((name) => readFileSync(join(directory, name)).includes("a secret"))).toBe(true);
  });

  test("a key file that is none is one clear line", () => {
    expect(() => AtRest.fromFile("/nonexistent")).toThrow(/the outbox's key cannot be read/);
    expect(() => AtRest.fromFile("/no/key")).toThrow("/no/key: the outbox's key cannot be read: there is no such file");
    expect(() => AtRest.fromFile("/dev/zero")).toThrow(/the outbox's key cannot be read: it is no regular file/);
    expect(() => AtRest.fromFile(APPENDER)).toThrow(/a key is 32 octets or 64 hexadecimal digits/);
  });

  test("a directory that cannot be had is one clear line", async () => {
    const first = await open();
    await expect(open()).rejects.toMatchObject({ message: expect.stringMatching(/another collector, process \d+,/) });
    await first.end();
    await expect(open({ directory: "/proc/outbox" })).rejects.toMatchObject({ code: "OUTBOX_DIRECTORY" });
    await expect(open({ directory: join(directory, "ledger") })).rejects.toMatchObject({ code: "OUTBOX_DIRECTORY" });
  });

  const noMount = needs("root");
  test.skipIf(noMount !== undefined)(
    titled("disk full: records wait in memory, the others are shed and counted; read-only: one clear line", noMount),
    async () => {
      expect(spawnSync("mount", ["-t", "tmpfs", "-o", "size=1m", "rejoin-outbox-test", directory]).status).toBe(0);
      const mount = (how: string) => spawnSync("mount", ["-o", `remount,${how}`, directory]).status;
      try {
        const outbox = await open();
        const append = (n: number) => outbox.append([record("ended", String(n), 100_000)]);
        for (let n = 0; n < 100; n++) append(n);
        expect(outbox.stats()).toMatchObject({ made: 100, stored: 100, shed: {} });
        expect(warnings.join()).toMatch(/the disk does not take records: ENOSPC/);
        for (let n = 100; n < 200; n++) append(n);
        expect(outbox.stats().shed["disk/ended"]).toBeGreaterThan(10);
        expectIdentity(outbox);
        const batch = await outbox.read(150, 1e9);
        expect(keys(batch)?.slice(0, 100)).toEqual(Array.from({ length: 100 }, (_, n) => String(n)));
        settle(outbox, batch);
        // The disk is asked again only a while later.
        await new Promise((resolve) => setTimeout(resolve, 1100));
        append(201);
        await outbox.end();
        expect(mount("ro")).toBe(0);
        await expect(open()).rejects.toThrow(/no outbox can be kept there: EROFS/);
        expect(mount("rw")).toBe(0);
        const next = await open();
        expectIdentity(next);
        expect((await all(next)).at(-1)?.key).toBe("201");
        await next.end();
      } finally {
        spawnSync("umount", [directory]);
      }
    },
  );

  const noRoot = needs("root");
  test.skipIf(noRoot !== undefined)(titled("a directory of somebody else is refused", noRoot), async () => {
    fs.chownSync(directory, 65_534, 65_534);
    await expect(open()).rejects.toMatchObject({
      code: "OUTBOX_DIRECTORY",
      message: `${directory}: it belongs to another user (65534); run the collector as that one, or name another directory with --outbox`,
    });
  });
});
