import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DirectoryLock } from "../../collectors/runtime/directory-lock.ts";
import { encode } from "../../schema/encoding.ts";
import { capturePath } from "../support/copies.ts";

/** The build, not the sources: `npm test` makes it first. */
const REJOIN = fileURLToPath(new URL("../../dist/collectors/main.js", import.meta.url));
const NAMES = ["session-opened", "session-ended", "session-orphan", "agent", "finding", "stream", "gap"];
const records: object[] = NAMES.map((name) =>
  JSON.parse(readFileSync(new URL(`../../schema/examples/${name}.json`, import.meta.url), "utf8")),
);
const jsonLines = records.map((record) => `${JSON.stringify(record)}\n`).join("");
const messagePack = Buffer.concat(records.map((record) => encode(record, "msgpack")));

/** A frame of raw blocks (RFC 8878 §3.1.1), which no compressor is needed for. */
function zstd(content: string | Uint8Array): Buffer {
  const octets = Buffer.from(content);
  const blocks: Buffer[] = [];
  for (let at = 0; at < octets.length; at += 1000) {
    const block = octets.subarray(at, at + 1000);
    const header = Buffer.alloc(3);
    header.writeUIntLE((block.length << 3) | (at + 1000 >= octets.length ? 1 : 0), 0, 3);
    blocks.push(header, block);
  }
  return Buffer.concat([Buffer.from("28b52ffd0000", "hex"), ...blocks]);
}

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "rejoin-consume-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string | Uint8Array): string {
  writeFileSync(join(folder, name), content);
  return name;
}

function consume(args: readonly string[], input: string | Uint8Array = "") {
  const { status, stdout, stderr } = spawnSync(process.execPath, [REJOIN, "consume", ...args], {
    cwd: folder,
    input,
    encoding: "utf8",
    timeout: 20_000,
  });
  return { status, stdout, stderr };
}

describe("records come out as they went in", () => {
  it.each([
    ["JSON lines", jsonLines],
    ["MessagePack", messagePack],
    ["JSON lines, gzip", gzipSync(jsonLines)],
    ["MessagePack, gzip", gzipSync(messagePack)],
    ["JSON lines, zstd", zstd(jsonLines)],
    ["MessagePack, zstd", zstd(messagePack)],
    [
      "two gzip members, as a rotated file has them",
      Buffer.concat([gzipSync(jsonLines.slice(0, 999)), gzipSync(jsonLines.slice(999))]),
    ],
  ])("%s", (_name, content) => {
    const expected = { status: 0, stdout: jsonLines, stderr: "" };
    expect(consume(["--json", file("records", content)])).toEqual(expected);
    expect(consume(["--json", "-"], content)).toEqual(expected);
  });

  it("in a table, with a heading for each kind of record", () => {
    const { status, stdout } = consume([file("records", messagePack)]);
    expect(status).toBe(0);
    expect(stdout.split("\n").map((line) => line.slice(0, 31))).toEqual([
      "START UTC      SESSION  RECORD ",
      "11-22 20:08:12 q3mZ0aX9 opened ",
      "11-22 20:08:12 q3mZ0aX9 ended  ",
      "11-22 20:08:12 orphan_Y ended  ",
      "  ! bound-met: bounds kept out ",
      "UNTIL UTC      AGENT           ",
      "11-22 20:09:00 router1         ",
      "11-23 00:48:02 629a366a  ! payl",
      "AT UTC         SESSION  SIDE   ",
      "11-22 20:08:14 629a366a respond",
      "UNTIL UTC      COLLECTOR       ",
      "11-23 01:00:20 collector1      ",
      "",
    ]);
  });

  it("in full with --detail, at most --count of them over all files", () => {
    const { status, stdout } = consume(["--detail", "--count", "8", file("one", jsonLines), file("two", messagePack)]);
    expect(status).toBe(0);
    expect(stdout.match(/^(session|finding|UNTIL|AT) \S+/gm)).toEqual([
      "session q3mZ0aX9cT1kVb7e",
      "session q3mZ0aX9cT1kVb7e",
      "session orphan_Yk2c8Vw1sR",
      "UNTIL UTC",
      "finding payload-rewritten",
      "AT UTC",
      "UNTIL UTC",
      "session q3mZ0aX9cT1kVb7e",
    ]);
  });

  it("with --ended only each session's last record, in every shape", () => {
    const ended = records.slice(1, 3);
    const all = file("all", jsonLines);
    const expected = ended.map((record) => `${JSON.stringify(record)}\n`).join("");
    expect(consume(["--ended", "--json", all])).toEqual({ status: 0, stdout: expected, stderr: "" });
    expect(consume(["--ended", "--json", "--count", "1", all]).stdout).toBe(`${JSON.stringify(ended[0])}\n`);
    expect(consume(["--ended", all]).stdout.match(/^\d.{22} \w+/gm)).toEqual([
      "11-22 20:08:12 q3mZ0aX9 ended",
      "11-22 20:08:12 orphan_Y ended",
    ]);
    expect(consume(["--ended", "--detail", all]).stdout.match(/^(session|UNTIL) \S+/gm)).toEqual([
      "session q3mZ0aX9cT1kVb7e",
      "session orphan_Yk2c8Vw1sR",
    ]);
  });

  it("with datasets and fields that this version does not know", () => {
    const later = '{"event":{"dataset":"rejoin.later"},"x":1}\n';
    const more = `${JSON.stringify({ ...records[1], added: { "\u009b": [1] } })}\n`;
    expect(consume(["--json", "-"], later + more)).toEqual({
      status: 0,
      stdout: later + more.replace("\u009b", "\\u009b"),
      stderr: "",
    });
  });
});

describe("a finding that stands below its session has no row of its own", () => {
  const captures = ["router1-access", "router1"].map((name) => capturePath(`mangle-single/${name}.pcap.gz`));
  const read = spawnSync(process.execPath, [REJOIN, "read", "--json", "--findings", ...captures], { encoding: "utf8" });
  const lines = read.stdout.split(/(?<=\n)/);
  const count = (text: string, word: string) => text.split(word).length - 1;

  it.each<[string[]]>([[[]], [["--detail"]]])("%j", (shape) => {
    expect(lines).toHaveLength(3);
    const { stdout } = consume([...shape, "-"], lines.join(""));
    expect([count(stdout, "payload-rewritten"), count(stdout, "late-fallback")]).toEqual([1, 1]);
  });

  it("but has one where its session does not stand there, and in JSON", () => {
    expect(consume(["-"], lines.slice(1).join("")).stdout).toContain("payload-rewritten");
    const another = `${JSON.stringify(records[1])}\n`;
    expect(count(consume(["-"], [lines[0], another, lines[1]].join("")).stdout, "payload-rewritten")).toBe(2);
    expect(consume(["--json", "-"], read.stdout).stdout).toBe(read.stdout);
  });
});

describe("what is broken is told, counted and skipped", () => {
  it("line by line in JSON", () => {
    const wrong = JSON.stringify({ ...records[1], mptcp: { session: { id: "x" } } });
    const { status, stdout, stderr } = consume(["--json", "-"], `${jsonLines}nope\n{}\n${wrong}\n${jsonLines}`);
    expect(status).toBe(1);
    expect(stdout).toBe(jsonLines + jsonLines);
    const at = jsonLines.length;
    expect(stderr).toBe(
      [
        `rejoin: standard input at octet ${at}: not JSON`,
        `rejoin: standard input at octet ${at + 5}: not a record: event.dataset is missing`,
        `rejoin: standard input at octet ${at + 8}: not a rejoin.session record: mptcp.session.id: Invalid string: must match pattern /^[A-Za-z0-9_-]{8,64}$/`,
        "rejoin: 3 of 17 records could not be read",
        "",
      ].join("\n"),
    );
  });

  it("with a hint where records stand on several lines, as jq writes them", () => {
    const { status, stdout, stderr } = consume(["--json", "-"], JSON.stringify(records[1], null, 2));
    expect([status, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(
      /not JSON\n(.*\n)+rejoin: (\d+) of \2 records could not be read\nrejoin: a record stands on one line: jq -c \. writes it so\n$/,
    );
    expect(consume(["--json", "-"], '{"a":1}\n{"a":2}\n').stderr).not.toContain("jq");
  });

  it("up to a tenth fault one by one", () => {
    const { status, stderr } = consume(["-"], jsonLines + "nope\n".repeat(1000));
    expect(status).toBe(1);
    expect(stderr.match(/not JSON/g)).toHaveLength(10);
    expect(stderr).toMatch(/rejoin: 1000 of 1007 records could not be read\n$/);
  });

  it.each([
    [
      "MessagePack cut short",
      messagePack.subarray(0, -9),
      /^rejoin: cut at octet \d+: ends inside a record, after \d+ octets of it\n/,
    ],
    [
      "JSON lines cut short",
      jsonLines.slice(0, -9),
      new RegExp(
        `^rejoin: cut at octet ${jsonLines.lastIndexOf("\n", jsonLines.length - 2) + 1}: ends inside a record, `,
      ),
    ],
    [
      "gzip cut short",
      gzipSync(jsonLines).subarray(0, -9),
      /^rejoin: cut at octet \d+: the gzip data ends too early\n/,
    ],
    [
      "zstd cut short",
      zstd(jsonLines).subarray(0, -9),
      /^rejoin: cut at octet \d+: its zstd data is cut short: ends at octet \d+\n/,
    ],
    ["gzip damaged", gzipSync(jsonLines).fill(0x55, 400, 500), /^rejoin: cut at octet \d+: the gzip data is damaged\n/],
  ])("%s", (_name, content, message) => {
    const { status, stderr } = consume([file("cut", content)]);
    expect(status).toBe(1);
    expect(stderr).toMatch(message);
    expect(stderr.match(/\n/g)).toHaveLength(2);
  });
});

describe("filters", () => {
  const shown = (...args: string[]) =>
    consume(["--json", ...args, file("all", jsonLines)])
      .stdout.split("\n")
      .flatMap((line) => (line === "" ? [] : [JSON.parse(line).event.id]));

  it.each<[string[], string[]]>([
    [
      ["--session", "q3mZ0aX9"],
      ["q3mZ0aX9cT1kVb7e-1", "q3mZ0aX9cT1kVb7e-3"],
    ],
    [["--session", "q3mZ0aX9", "--ended"], ["q3mZ0aX9cT1kVb7e-3"]],
    [["--session", "q3mZ0aX9", "--verdict", "join=verified"], ["q3mZ0aX9cT1kVb7e-3"]],
    [["--session", "none", "--address", "10.10.1.2"], []],
  ])("%j", (args, ids) => {
    expect(shown(...args)).toEqual(ids);
  });

  it("count with --count only what they let through, and show no dataset that is not known", () => {
    const later = '{"event":{"dataset":"rejoin.later"},"x":1}\n';
    const { stdout, status } = consume(["--json", "--port", "5001", "--count", "1", "-"], later + jsonLines);
    expect([status, JSON.parse(stdout).event.id]).toEqual([0, "q3mZ0aX9cT1kVb7e-1"]);
  });

  it("still tell what is broken", () => {
    const { status, stderr } = consume(["--port", "1", "-"], `${jsonLines}nope\n`);
    expect([status, stderr]).toEqual([
      1,
      `rejoin: standard input at octet ${jsonLines.length}: not JSON\nrejoin: 1 of 8 records could not be read\nrejoin: 0 of 7 records fit\n`,
    ]);
  });

  it.each([
    ["--session", "q3mZ0aX9", "--port", "1"],
    ["--ended", "--json"],
  ])("that let nothing through say so: %s %s", (...args) => {
    const opened = `${JSON.stringify(records[0])}\n`;
    expect(consume([...args, "-"], opened)).toEqual({ status: 0, stdout: "", stderr: "rejoin: 0 of 1 record fit\n" });
    expect(consume([...args, "-"]).stderr).not.toContain("fit");
  });
});

it("nothing that a terminal obeys comes out, whatever names and texts hold", () => {
  const hostile = "\u001b[2J\u001b]0;owned\u0007\u009b31m\r\n\u202e\u2066=cmd()";
  const texts = ["name", "message", "reason", "agents", "between", "agent"];
  const poisoned = (value: unknown, name = ""): unknown => {
    if (typeof value === "string") return texts.includes(name) ? hostile : value;
    if (Array.isArray(value)) return value.map((item) => poisoned(item, name));
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, poisoned(field, key)]));
  };
  // `close.reason` is of a closed list; `event.reason` is for a person.
  const lines = records.map((record) => {
    const bad = JSON.stringify(poisoned(record));
    return `${bad.replace(/"close":\{"reason":"[^"]*"/g, '"close":{"reason":"fin"')}\n`;
  });
  for (const shape of [[], ["--detail"], ["--json"]]) {
    const { status, stdout, stderr } = consume([...shape, "-"], `${lines.join("")}${hostile.slice(0, 4)}\n`);
    expect([status, stderr.match(/\n/g)?.length]).toEqual([1, 2]);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    expect(stdout + stderr).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/);
    if (shape[0] === "--json")
      expect(
        stdout
          .split("\n")
          .slice(0, -1)
          .map((line) => JSON.parse(line)),
      ).toEqual(lines.map((line) => JSON.parse(line)));
  }
});

describe("one line and status 2 for", () => {
  it.each<[string, string[], string]>([
    ["no file", ["missing"], "cannot read missing: there is no such file"],
    ["a name that is too long", ["n".repeat(300)], `cannot read ${"n".repeat(300)}: the name is too long`],
    ["a directory", ["."], "cannot read .: it is a directory; name the files in it"],
    ["text", ["text"], "text holds neither JSON lines nor MessagePack records; captures are read with: rejoin read"],
    ["no arguments", [], "name files to read, - for standard input, or a --topic; see rejoin consume --help"],
    ["a topic and a file", ["--topic", "t", "text"], "give either --topic or files, not both: text"],
    ["a Kafka option without a topic", ["--until-idle", "9", "text"], "--until-idle needs --topic"],
    ["a time without a topic", ["--from-time", "2h", "text"], "--from-time needs --topic"],
    [
      "a time that is none",
      ["--topic", "t", "--from-time", "yesterday"],
      "option '--from-time <TIME>' argument 'yesterday' is invalid. It is 2026-11-22T20:08:14Z, or 90m ago (s, m, h or d).",
    ],
    [
      "two beginnings",
      ["--topic", "t", "--from-time", "2h", "--from-beginning"],
      "option '--from-beginning' cannot be used with option '--from-time <TIME>'",
    ],
    [
      "an address that is none",
      ["--address", "10.0.0.0/33", "text"],
      "option '--address <IP[/BITS]>' argument '10.0.0.0/33' is invalid. It is 10.10.1.2, 10.10.0.0/16 or 2001:db8::/32.",
    ],
    ["--json with --detail", ["--json", "--detail"], "option '--json' cannot be used with option '--detail'"],
    [
      "a broker without a port",
      ["--topic", "t", "--brokers", "localhost"],
      `option '--brokers <HOST:PORT,...>' argument 'localhost' is invalid. "localhost" is not HOST:PORT.`,
    ],
    [
      "a broker that does not answer",
      ["--topic", "t", "--brokers", "127.0.0.1:1"],
      "Kafka at 127.0.0.1:1 cannot be reached: connect ECONNREFUSED 127.0.0.1:1; check --brokers and that a broker is running there",
    ],
  ])("%s", (_name, args, line) => {
    file("text", "hello\n");
    mkdirSync(join(folder, "sub"), { recursive: true });
    expect(consume(args)).toEqual({ status: 2, stdout: "", stderr: `rejoin: ${line}\n` });
  });
});

it("an empty file has no records, and that is told and no fault", () => {
  const line = (name: string) => `rejoin: ${name}: is empty; there is no record in it\n`;
  const stderr = line("empty") + line("blank") + line("packed");
  expect(consume([file("empty", ""), file("blank", "\n\n"), file("packed", gzipSync(""))])).toEqual({
    status: 0,
    stdout: "",
    stderr,
  });
  expect(consume(["-"])).toEqual({ status: 0, stdout: "", stderr: line("standard input") });
});

it("a file that is named twice is read once, and that is told", () => {
  const twice = file("twice", jsonLines);
  symlinkSync("twice", join(folder, "linked"));
  const told = (path: string, how: string) => `rejoin: ${path}: ${how}, and read once\n`;
  expect(consume(["--json", twice, twice, "linked"])).toEqual({
    status: 0,
    stdout: jsonLines,
    stderr: told("twice", "is named twice") + told("linked", "is the same file as twice"),
  });
  const stderr = told("-", "is named twice");
  expect(consume(["--json", "-", "-"], jsonLines)).toEqual({ status: 0, stdout: jsonLines, stderr });
});

it("a collector's lock beside its files is left out", async () => {
  mkdirSync(join(folder, "beside"));
  const lock = new DirectoryLock(join(folder, "beside"));
  expect(await lock.take()).toBe(null);
  const whole = { status: 0, stdout: jsonLines, stderr: "" };
  expect(consume(["--json", "beside/rejoin.lock", file("beside/records.jsonl", jsonLines)])).toEqual(whole);
  expect(consume(["beside/rejoin.lock"])).toEqual({
    status: 0,
    stdout: "",
    stderr: "rejoin: beside/rejoin.lock: is a collector's lock; there is no record in it\n",
  });
  await lock.release();
  // A file of that name is what it is.
  expect(consume(["--json", file("beside/rejoin.lock", jsonLines)])).toEqual(whole);
});

it("ends quietly when the reader of its output has gone", async () => {
  const child = spawn(process.execPath, [REJOIN, "consume", "--json", file("long", jsonLines.repeat(3000))], {
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stderr = "";
  child.stderr.on("data", (text) => {
    stderr += text;
  });
  child.stdout.once("data", () => child.stdout.destroy());
  const status = await new Promise((resolve) => child.on("close", resolve));
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
});
