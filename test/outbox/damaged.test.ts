import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { all, directory, expectIdentity, keys, open, record, segments, settle, warnings } from "./opened.ts";

describe("a DurableOutbox whose files are damaged, gone, or not to be had", () => {
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
      warnings.length = 0;
      const second = await open({ maxOctets: 4e6 });
      await all(second);
      expectIdentity(second);
      expect([harm, warnings.length > 0]).toEqual([harm, harm !== "empty ledger"]);
      await second.end();
      rmSync(directory, { recursive: true });
      mkdirSync(directory);
    }
  });
});
