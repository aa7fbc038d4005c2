import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { OutboxRecord } from "../../collectors/outbox/outbox.ts";
import { OperationalError } from "../../collectors/runtime/errors.ts";
import { FileSink, type FileSinkOptions } from "../../collectors/sink/files.ts";
import { needs, titled } from "../support/requirements.ts";

const log = pino({ level: "silent" });
const never = new AbortController().signal;
const SESSIONS = "rejoin.sessions.v1";

const record = (value: object, topic = SESSIONS): OutboxRecord => ({
  recordClass: "ended",
  topic,
  key: "k",
  value: Buffer.from(JSON.stringify(value)),
  headers: {},
});

describe("FileSink", () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "rejoin-files-"));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  const options = (more: Partial<FileSinkOptions> = {}): FileSinkOptions => ({
    directory,
    rotateOctets: 1_000_000,
    rotateMs: 3_600_000,
    keep: 3,
    ...more,
  });
  const path = (name: string) => join(directory, name);
  const rotated = () =>
    readdirSync(directory)
      .filter((name) => name.endsWith(".jsonl.gz"))
      .sort();

  test("one file for each topic, one line for each record", async () => {
    const sink = new FileSink(options({ directory: path("new") }), log);
    await sink.open();
    const outcomes = await sink.send([record({ a: 1 }), record({ b: 2 }, "rejoin.agents.v1"), record({ a: 3 })], never);
    await sink.close();
    expect(outcomes).toEqual(["acknowledged", "acknowledged", "acknowledged"]);
    expect(readFileSync(path(`new/${SESSIONS}.jsonl`), "utf8")).toBe('{"a":1}\n{"a":3}\n');
    expect(readFileSync(path("new/rejoin.agents.v1.jsonl"), "utf8")).toBe('{"b":2}\n');
  });

  test("rotates by size, compresses, and keeps so many", async () => {
    const sink = new FileSink(options({ rotateOctets: 20 }), log);
    await sink.open();
    for (let n = 0; n < 12; n++) {
      await sink.send([record({ n, pad: "xxxxxxxx" })], never);
      // Rotated files carry the millisecond in their names.
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    await sink.close();
    const kept = rotated();
    expect(kept).toHaveLength(3);
    const numbers = kept.map((name) => JSON.parse(gunzipSync(readFileSync(path(name))).toString()).n);
    expect(numbers).toEqual([8, 9, 10]);
    expect(JSON.parse(readFileSync(path(`${SESSIONS}.jsonl`), "utf8")).n).toBe(11);
    expect(readdirSync(directory).filter((name) => name.endsWith(".part"))).toEqual([]);
  });

  test("rotates by age", async () => {
    const sink = new FileSink(options({ rotateMs: 20 }), log);
    await sink.open();
    await sink.send([record({ n: 1 })], never);
    await new Promise((resolve) => setTimeout(resolve, 30));
    await sink.send([record({ n: 2 })], never);
    await sink.close();
    expect(rotated()).toHaveLength(1);
    expect(readFileSync(path(`${SESSIONS}.jsonl`), "utf8")).toBe('{"n":2}\n');
  });

  test.each([
    ["moved", (file: string) => renameSync(file, `${file}.1`), '{"n":1}\n'],
    ["deleted", (file: string) => rmSync(file), null],
    [
      "replaced",
      (file: string) => {
        renameSync(file, `${file}.1`);
        writeFileSync(file, "");
      },
      '{"n":1}\n',
    ],
  ])("a file that somebody %s is told once, and a new one begins", async (_what, change, moved) => {
    const lines: string[] = [];
    const sink = new FileSink(options(), pino({ base: null }, { write: (line: string) => void lines.push(line) }));
    await sink.open();
    await sink.send([record({ n: 1 })], never);
    const file = path(`${SESSIONS}.jsonl`);
    change(file);
    for (const n of [2, 3]) expect(await sink.send([record({ n })], never)).toEqual(["acknowledged"]);
    await sink.close();
    expect(readFileSync(file, "utf8")).toBe('{"n":2}\n{"n":3}\n');
    expect(existsSync(`${file}.1`) ? readFileSync(`${file}.1`, "utf8") : null).toBe(moved);
    expect(lines.map((line) => JSON.parse(line).msg)).toEqual([
      `${file}: somebody moved or deleted this file; a new one begins`,
    ]);
  });

  test.each([
    ["to nothing, as copytruncate of logrotate does", 0, '{"n":2}\n{"n":3}\n'],
    ["in the midst of a line", 12, '{"n":0}\n{"n":2}\n{"n":3}\n'],
  ])("a file that somebody truncates %s is told once, and is counted anew", async (_what, size, left) => {
    const lines: string[] = [];
    const said = pino({ base: null }, { write: (line: string) => void lines.push(line) });
    const sink = new FileSink(options({ rotateOctets: 25 }), said);
    await sink.open();
    for (const n of [0, 1]) await sink.send([record({ n })], never);
    const file = path(`${SESSIONS}.jsonl`);
    truncateSync(file, size);
    for (const n of [2, 3]) expect(await sink.send([record({ n })], never)).toEqual(["acknowledged"]);
    await sink.close();
    expect(readFileSync(file, "utf8")).toBe(left);
    expect(rotated()).toEqual([]);
    expect(lines.map((line) => JSON.parse(line).msg)).toEqual([
      expect.stringMatching(/: somebody truncated this file; /),
    ]);
  });

  test("a write that failed, to a file that was truncated meanwhile, leaves no hole in it", async () => {
    const sink = new FileSink(options(), log);
    await sink.open();
    await sink.send([record({ n: 1 })], never);
    const file = path(`${SESSIONS}.jsonl`);
    const probe = await open(file, "a+");
    vi.spyOn(Object.getPrototypeOf(probe), "appendFile").mockImplementationOnce(async () => {
      truncateSync(file);
      throw Object.assign(new Error("full"), { code: "ENOSPC" });
    });
    await probe.close();
    expect(await sink.send([record({ n: 2 })], never)).toEqual(["acknowledged"]);
    await sink.close();
    expect(readFileSync(file, "utf8")).toBe('{"n":2}\n');
  });

  test("goes on where an earlier process stopped: a line cut short is removed, a plain rotated file compressed", async () => {
    // Longer than what is read back at once.
    const torn = `{"n":1,"torn":"${"x".repeat(100_000)}`;
    writeFileSync(path(`${SESSIONS}.jsonl`), `{"n":0}\n${torn}`);
    writeFileSync(path(`${SESSIONS}.2026-01-01T000000.000Z.jsonl`), '{"n":-1}\n');
    writeFileSync(path(`${SESSIONS}.2026-01-01T000000.000Z.jsonl.gz.part`), "half");
    const sink = new FileSink(options(), log);
    await sink.open();
    await sink.send([record({ n: 2 })], never);
    await sink.close();
    expect(readFileSync(path(`${SESSIONS}.jsonl`), "utf8")).toBe('{"n":0}\n{"n":2}\n');
    expect(rotated()).toHaveLength(1);
    expect(gunzipSync(readFileSync(path(rotated()[0] ?? ""))).toString()).toBe('{"n":-1}\n');
  });

  test("a file that cannot be compressed is told, counts among those that are kept, and is deleted in its turn", async () => {
    const stubborn = `${SESSIONS}.2026-01-01T000000.000Z.jsonl`;
    writeFileSync(path(stubborn), '{"n":-1}\n');
    mkdirSync(path(`${stubborn}.gz.part`));
    const said: string[] = [];
    const sink = new FileSink(
      options({ rotateOctets: 1, keep: 3 }),
      pino({ level: "warn" }, { write: (line: string) => void said.push(JSON.parse(line).msg) }),
    );
    const kept = () => readdirSync(directory).filter((name) => /Z\.jsonl(\.gz)?$/.test(name));
    await sink.open();
    for (const [n, [files, isThere]] of (
      [
        [1, 1],
        [2, 1],
        [3, 1],
        [3, 0],
        [3, 0],
      ] as const
    ).entries()) {
      await sink.send([record({ n })], never);
      // Files are compressed behind the writing, and carry the millisecond in their names.
      await vi.waitFor(() => {
        expect(kept()).toHaveLength(files);
        expect(rotated()).toHaveLength(files - isThere);
      });
      expect(kept().includes(stubborn)).toBe(isThere === 1);
    }
    await sink.close();
    expect(said[0]).toMatch(/1 rotated file of rejoin\.sessions\.v1 cannot be compressed: EISDIR/);
  });

  test("leaves files of others alone", async () => {
    writeFileSync(path(`${SESSIONS}.notes.jsonl`), "mine");
    writeFileSync(path(`${SESSIONS}.old.jsonl.gz`), "mine too");
    const sink = new FileSink(options({ keep: 1 }), log);
    await sink.open();
    await sink.close();
    expect(existsSync(path(`${SESSIONS}.notes.jsonl`))).toBe(true);
    expect(existsSync(path(`${SESSIONS}.old.jsonl.gz`))).toBe(true);
  });

  test("a directory that another collector writes to is one clear line; it is free when that one has ended", async () => {
    const first = new FileSink(options(), log);
    await first.open();
    const second = new FileSink(options(), log);
    await expect(second.open()).rejects.toThrow(
      `${directory}: another collector, process ${process.pid}, writes there; give each a directory of its own with --dir`,
    );
    // What was refused takes nothing away from the one that writes.
    await second.close();
    await expect(new FileSink(options(), log).open()).rejects.toThrow(/another collector/);
    await first.close();
    expect(readdirSync(directory)).toEqual([`${SESSIONS}.jsonl`]);
    const third = new FileSink(options(), log);
    await third.open();
    await third.close();
  });

  const proc = needs("Linux");
  const gone = spawnSync(process.execPath, ["--version"]).pid;
  test.skipIf(proc).each([
    ["of a process that is no more", `${gone}-1`],
    ["of a process whose number another one has now", `${process.pid}-1`],
    ["that nobody understands", "x"],
  ])(titled("a lock %s is taken over", proc), async (_whose, content) => {
    symlinkSync(content, path("rejoin.lock"));
    const sink = new FileSink(options(), log);
    await sink.open();
    await expect(new FileSink(options(), log).open()).rejects.toThrow(/another collector/);
    await sink.close();
    expect(readdirSync(directory)).toEqual([`${SESSIONS}.jsonl`]);
  });

  test("of many that find a dead one's lock, one gets it", async () => {
    symlinkSync(`${gone}-1`, path("rejoin.lock"));
    const sinks = Array.from({ length: 20 }, () => new FileSink(options(), log));
    const opened = await Promise.allSettled(sinks.map((sink) => sink.open()));
    expect(opened.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    for (const sink of sinks) await sink.close();
    expect(readdirSync(directory)).toEqual([`${SESSIONS}.jsonl`]);
  });

  test("a directory that cannot be used is one clear line", async () => {
    writeFileSync(path("file"), "");
    const attempt = new FileSink(options({ directory: path("file/below") }), log).open();
    await expect(attempt).rejects.toThrow(OperationalError);
    await expect(attempt).rejects.toThrow(/file\/below: cannot be made/);
    await expect(new FileSink(options({ directory: path("file") }), log).open()).rejects.toThrow(
      /file: cannot be written/,
    );
    await expect(new FileSink(options({ directory: "/proc/rejoin" }), log).open()).rejects.toThrow(/cannot be made/);
  });

  const root = process.getuid?.() === 0 ? "root may write anywhere" : undefined;
  test.skipIf(root)(titled("a directory without permission", root), async () => {
    chmodSync(directory, 0o500);
    await expect(new FileSink(options(), log).open()).rejects.toThrow(/cannot be written/);
  });

  const prlimit = spawnSync("prlimit", ["--version"]).status === 0 ? undefined : "needs prlimit";
  const limit = (octets: number | "unlimited") =>
    spawnSync("prlimit", ["--pid", String(process.pid), `--fsize=${octets}:unlimited`]);
  const ignore = () => {};
  /** As a full disk does, a file size limit takes the first part of what it is given. */
  const whileNearlyFull = async <T>(octets: number, work: () => Promise<T>): Promise<T> => {
    process.on("SIGXFSZ", ignore);
    limit(octets);
    try {
      return await work();
    } finally {
      limit("unlimited");
      process.off("SIGXFSZ", ignore);
    }
  };
  const numbersIn = (topic: string) => {
    const lines = readFileSync(path(`${topic}.jsonl`), "utf8").split("\n");
    expect(lines.pop()).toBe("");
    return lines.map((line) => JSON.parse(line).n);
  };
  const padded = (n: number, topic = SESSIONS) => record({ n, pad: "x".repeat(300) }, topic);

  test.skipIf(prlimit)(
    titled("a nearly full disk gets the records that fit, the rest when there is room", prlimit),
    async () => {
      const sink = new FileSink(options(), log);
      await sink.open();
      await sink.send([record({ n: 1 })], never);
      const { sending, during } = await whileNearlyFull(1000, async () => {
        const sending = sink.send(
          [2, 3, 4, 5, 6].map((n) => padded(n)),
          never,
        );
        await expect
          .poll(() => readFileSync(path(`${SESSIONS}.jsonl`), "utf8"), { timeout: 10_000 })
          .toContain('"n":4');
        // What comes next has no room, and half of it stands there until that is cut off.
        await new Promise((resolve) => setTimeout(resolve, 100));
        return { sending, during: numbersIn(SESSIONS) };
      });
      expect(during).toEqual([1, 2, 3, 4]);
      expect(await sending).toEqual(Array(5).fill("acknowledged"));
      await sink.close();
      expect(numbersIn(SESSIONS)).toEqual([1, 2, 3, 4, 5, 6]);
    },
  );

  test.skipIf(prlimit)(
    titled("what finds no room until the end is unsent, of each topic for itself", prlimit),
    async () => {
      const sink = new FileSink(options(), log);
      await sink.open();
      const topics = [SESSIONS, "rejoin.agents.v1"];
      const outcomes = await whileNearlyFull(1000, async () => {
        const abort = new AbortController();
        setTimeout(() => abort.abort(), 100);
        return sink.send(
          [1, 2, 3, 4, 5].map((n) => padded(n, topics[n === 5 ? 1 : 0])),
          abort.signal,
        );
      });
      await sink.close();
      expect(outcomes).toEqual(["acknowledged", "acknowledged", "acknowledged", "unsent", "acknowledged"]);
      expect(topics.map(numbersIn)).toEqual([[1, 2, 3], [5]]);
    },
  );

  test.skipIf(prlimit)(
    titled("half a record that cannot be cut off at once is cut off before anything else", prlimit),
    async () => {
      const sink = new FileSink(options(), log);
      await sink.open();
      const probe = await open(path("probe"), "w");
      const truncate = vi.spyOn(Object.getPrototypeOf(probe), "truncate").mockRejectedValue(new Error("no room"));
      await probe.close();
      try {
        const sending = await whileNearlyFull(400, async () => {
          const sending = sink.send([padded(1), padded(2)], never);
          await new Promise((resolve) => setTimeout(resolve, 100));
          return { sending };
        });
        truncate.mockRestore();
        expect(await sending.sending).toEqual(["acknowledged", "acknowledged"]);
      } finally {
        truncate.mockRestore();
      }
      await sink.close();
      expect(numbersIn(SESSIONS)).toEqual([1, 2]);
    },
  );

  test("an outage ends when the signal says so: the records are unsent", async () => {
    const sink = new FileSink(options(), log);
    await sink.open();
    rmSync(directory, { recursive: true });
    const abort = new AbortController();
    const sending = sink.send([record({ n: 2 }, "rejoin.agents.v1")], abort.signal);
    setTimeout(() => abort.abort(), 50);
    expect(await sending).toEqual(["unsent"]);
    await sink.close();
  });
});
