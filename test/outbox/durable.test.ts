import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import fs, { readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test, vi } from "vitest";
import { AtRest } from "../../collectors/outbox/at-rest.ts";
import { MAGIC } from "../../collectors/outbox/frame.ts";
import type { RecordClass } from "../../collectors/outbox/outbox.ts";
import { needs, titled } from "../support/requirements.ts";

import { all, directory, expectIdentity, keys, open, record, segments, settle, warnings } from "./opened.ts";

const APPENDER = fileURLToPath(new URL("../../dist/test/outbox/appender.js", import.meta.url));

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
    warnings.length = 0;
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
