import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { PassThrough, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { describe, expect, it, vi } from "vitest";
import { type ReadOptions, read } from "../../collectors/offline/reading.ts";
import { StreamFiles } from "../../collectors/offline/stream-files.ts";
import { type SessionRecord, sessionRecord } from "../../schema/session-record.ts";
import { hex, packetsOf, pcapFile, USUAL_PCAP } from "../support/pcap.ts";
import { needs, titled } from "../support/requirements.ts";
import { folder, packet, pcapAt, put, streams } from "./files.ts";

const CAPTURE = fileURLToPath(new URL("../captures/join-client/", import.meta.url));
const ROUTERS = [join(CAPTURE, "router1.pcap.gz"), join(CAPTURE, "router2.pcap.gz")];

/** Reads in this process: status, what was written, and the records where they were asked for. */
async function reading(paths: readonly string[], options: ReadOptions = {}, stdin?: Uint8Array) {
  const { texts, ...io } = streams(stdin);
  const status = await read(paths, options, io);
  const lines = options.json === true ? texts.out.trimEnd().split("\n") : [];
  const records = lines.flatMap((line): SessionRecord[] => {
    const parsed = sessionRecord.safeParse(JSON.parse(line || "null"));
    return parsed.success ? [parsed.data] : [];
  });
  return { status, ...texts, lines, records };
}

function sha256(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}

describe("reading two routers' files", () => {
  it("says which file it reads once for all its names", async () => {
    const twice = await reading([...ROUTERS, ...ROUTERS.slice(1)], { json: true });
    expect(twice.err).toBe(`rejoin: ${ROUTERS[1]}: is named twice, and read once\n`);
    expect([twice.status, twice.lines]).toEqual([0, (await reading(ROUTERS, { json: true })).lines]);
  });

  it("gives one session per line, and nothing else", async () => {
    const { status, lines, records, err } = await reading(ROUTERS, { json: true, digest: true });
    expect([status, err, lines.length, records.length]).toEqual([0, "", 1, 1]);
    expect(records[0]?.mptcp.subflows.map(({ agents }) => agents)).toEqual([["router1"], ["router2"], ["router2"]]);
  });

  it("gives the same records in either order of the files, and from standard input", async () => {
    const { out } = await reading(ROUTERS, { json: true, digest: true });
    expect((await reading([...ROUTERS].reverse(), { json: true, digest: true })).out).toBe(out);
    const [first = "", second = ""] = ROUTERS;
    const mixed = await reading(["-", second], { json: true, digest: true }, gunzipSync(readFileSync(first)));
    expect(mixed.out).toBe(out.replaceAll('"router1"', '"stdin"'));
  });

  it("writes both streams as their digests say", async () => {
    const dir = join(folder(), "streams");
    const { records } = await reading(ROUTERS, { json: true, digest: true, streams: dir });
    expect(readdirSync(dir).length).toBe(2);
    for (const { mptcp } of records) {
      for (const side of ["initiator", "responder"] as const) {
        expect(sha256(join(dir, `${mptcp.session.id}.${side}`))).toBe(mptcp.stream[side].sha256);
      }
    }
  });

  it("tells findings under their sessions, and as lines of JSON only where they are asked for", async () => {
    const stripped = fileURLToPath(new URL("../captures/strip-data/", import.meta.url));
    const files = ["router1", "router1-access"].map((name) => join(stripped, `${name}.pcap.gz`));
    const table = await reading(files);
    expect(table.out).toMatch(
      /^ {2}! option-rewritten: 47 packets of the responder .* between router1 and router1-access$/m,
    );
    expect((await reading(files, { json: true })).lines).toHaveLength(1);
    const { lines } = await reading(files, { json: true, findings: true });
    const datasets = lines.map((line) => JSON.parse(line).event.dataset);
    expect(datasets).toEqual(["rejoin.session", "rejoin.finding", "rejoin.finding"]);
    expect((await reading(files, { summary: true })).out).not.toContain("findings");
    expect((await reading(files, { summary: true, findings: true })).out).toMatch(/^findings +option-rewritten 1,/m);
  });

  it("tells under its session of a path that broke, and how a stream ended that iperf3 cut off", async () => {
    const files = (name: string) =>
      ["router1", "router2"].map((router) =>
        fileURLToPath(new URL(`../captures/${name}/${router}.pcap.gz`, import.meta.url)),
      );
    expect((await reading(files("path-down"))).out).toMatch(
      / fin\n {2}- subflow 1 fell silent 1\.1 s before the last packet\n/,
    );
    expect((await reading(files("iperf3"))).out).toMatch(/ 2\.10 MB +0 B end \? +1\/1 ok fin\n/);
  });

  it("a fault of our own costs its packet: the report comes, and then the fault is thrown", async () => {
    const { texts, ...io } = streams();
    const broken = vi.spyOn(StreamFiles.prototype, "octets").mockImplementationOnce(() => {
      throw new TypeError("broken");
    });
    const options = { json: true, streams: join(folder(), "streams") };
    await expect(read(ROUTERS, options, io)).rejects.toThrow(new TypeError("broken"));
    broken.mockRestore();
    expect(sessionRecord.parse(JSON.parse(texts.out)).event.action).toBe("session-ended");
  });

  it("leaves zeros where one router's file is missing", async () => {
    const dir = folder();
    const { records } = await reading(ROUTERS.slice(0, 1), { json: true, streams: dir });
    const { session, stream } = records[0]?.mptcp ?? {};
    const octets = readFileSync(join(dir, `${session?.id}.responder`));
    const hole = stream?.responder.missing[0] ?? { offset: 0, length: 0 };
    expect(hole.length).toBeGreaterThan(0);
    expect(octets.subarray(hole.offset, hole.offset + hole.length).every((octet) => octet === 0)).toBe(true);
  });

  it("prints a table for people", async () => {
    const { status, out, err } = await reading(ROUTERS);
    expect([status, err]).toEqual([0, ""]);
    expect(out).toMatch(
      /^START UTC .*\n.* 10\.10\.1\.2:\d+ → 10\.20\.1\.2:5001 .*\n\n1 session of 3 subflows in [\d,]+ packets\n$/,
    );
  });

  it("counts", async () => {
    const { status, out } = await reading(ROUTERS, { summary: true });
    expect(status).toBe(0);
    expect(out).toMatch(
      /^packets {4}[\d,]+\n(.*\n)*sessions {3}1 opened, 1 ended \(\w+ 1\)\nsubflows {3}1 initial, 2 joined, 0 orphan\n/,
    );
    const { lines } = await reading(ROUTERS, { summary: true, json: true });
    expect(lines.length).toBe(1);
    const totals = JSON.parse(lines[0] ?? "");
    expect(totals.sessions.ended).toBe(1);
    const fates: number[] = Object.values(totals.packets);
    expect(fates.reduce((sum, packets) => sum + packets, 0)).toBe(totals.packetsIn);
  });
});

describe("sessions without a handshake", () => {
  const LATE = [fileURLToPath(new URL("../captures/server-join/router2.pcap.gz", import.meta.url))];

  it("are counted as left out, or as shown with --partial", async () => {
    expect((await reading(LATE)).out).toMatch(
      /^0 sessions of 0 subflows in [\d,]+ packets; 1 session without a handshake left out \(--partial shows it\)\n$/,
    );
    expect((await reading(LATE, { partial: true })).out).toMatch(
      /\n\n0 sessions of 0 subflows and 1 without a handshake in [\d,]+ packets\n$/,
    );
    expect((await reading(LATE, { summary: true })).out).toContain(
      "\n           1 without a handshake left out (--partial shows it)\n",
    );
    expect((await reading(LATE, { summary: true, partial: true })).out).toContain(
      "\n           1 without a handshake\n",
    );
  });

  it("have a summary that keeps to the columns of a terminal", async () => {
    const { texts, ...io } = streams();
    await read(LATE, { summary: true }, { ...io, stdout: Object.assign(io.stdout, { columns: 80 }) });
    const lines = texts.out.trimEnd().split("\n");
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
    expect((await reading(LATE, { summary: true })).out.split(/\s+/)).toEqual(texts.out.split(/\s+/));
  });
});

it("refuses options that would be without effect", async () => {
  await expect(reading(ROUTERS, { digest: true })).rejects.toThrow(/--digest .* needs --json/);
  await expect(reading(ROUTERS, { findings: true })).rejects.toThrow(/--findings .* needs --json or --summary/);
  await expect(reading(ROUTERS, { streams: "-" })).rejects.toThrow("needs a folder, not -");
});

describe("exit status", () => {
  it("is 0 for captures without MPTCP, or without packets", async () => {
    const dir = folder();
    const { status, out } = await reading([put(dir, "a.pcap", pcapAt([1, 2])), put(dir, "b.pcap", pcapAt([]))]);
    expect([status, out]).toEqual([0, "0 sessions of 0 subflows in 2 packets; none of them shows MPTCP\n"]);
  });

  it("is 1 for a file that was cut short, after what could be read of it", async () => {
    const [first = "", second = ""] = ROUTERS;
    const octets = gunzipSync(readFileSync(first));
    const cut = put(folder(), "router1.pcap", octets.subarray(0, octets.length - 10));
    const { status, records, err } = await reading([cut, second], { json: true });
    expect([status, records.length]).toEqual([1, 1]);
    expect(err).toMatch(/^rejoin: .*router1\.pcap: ends after \d+ octets of a packet record, at offset \d+\n$/);
  });

  it("is 1 for a damaged gzip", async () => {
    const [first = ""] = ROUTERS;
    const cut = put(folder(), "router1.pcap.gz", readFileSync(first).subarray(0, 40_000));
    const { status, records, err } = await reading([cut], { json: true });
    expect([status, records.length]).toEqual([1, 1]);
    expect(err).toMatch(/^rejoin: .*: its gzip data is cut short: ends at octet 40000\n$/);
  });

  it("is 2 when one file cannot be read at all: then none is, and every such file is named", async () => {
    const dir = folder();
    mkdirSync(join(dir, "sub"));
    const text = put(dir, "notes.txt", "not packets\n");
    const { status, out, err } = await reading([...ROUTERS, text, join(dir, "sub"), join(dir, "none")], { json: true });
    expect([status, out]).toEqual([2, ""]);
    expect(
      err
        .trimEnd()
        .split("\n")
        .map((line) => line.split(": ")[1]),
    ).toEqual([text, join(dir, "sub"), join(dir, "none")]);
  });

  it.each([
    ["a name that is too long", "n".repeat(300), "the name is too long"],
    ["a name below a file", "/dev/null/a.pcap", "a part of the path is no directory"],
    [
      "a name that came out of other octets than UTF-8",
      "a\ufffd\ufffd.pcap",
      "a name that is not UTF-8 cannot be opened; use standard input: rejoin read - < FILE",
    ],
  ])("is 2, in a line that says why, for %s", async (_, path, why) => {
    expect(await reading([path])).toMatchObject({ status: 2, out: "", err: `rejoin: ${path}: ${why}\n` });
  });

  const root = needs("root") === undefined ? "root may read anything" : undefined;
  it.skipIf(root)(titled("is 2 without permission", root), async () => {
    const path = put(folder(), "a.pcap", pcapAt([1]), 0);
    expect(await reading([path])).toMatchObject({
      status: 2,
      err: `rejoin: ${path}: no permission to read it; run as a user who may, or change its mode\n`,
    });
  });

  it("is 0 and quiet when the reader of standard output goes away", async () => {
    const stdout = new PassThrough();
    const gone = Object.assign(new Error("write EPIPE"), { code: "EPIPE" });
    stdout.write = () => {
      process.nextTick(() => stdout.emit("error", gone));
      return true;
    };
    const { texts, ...io } = streams();
    expect(await read(ROUTERS, { json: true }, { ...io, stdout })).toBe(0);
    expect(texts.err).toBe("");
  });
});

it("says what is wrong with the streams folder and with standard output", async () => {
  const file = put(folder(), "file", "");
  await expect(reading(ROUTERS, { streams: file })).rejects.toThrow(/is a file, not a folder/);
  await expect(reading(ROUTERS, { streams: join(file, "x") })).rejects.toThrow(
    /ENOTDIR.*name another --streams folder/,
  );
  const stdout = new Writable({ write: (_chunk, _encoding, done) => done(new Error("no space left on device")) });
  const io = streams();
  await expect(read(ROUTERS, {}, { ...io, stdout })).rejects.toThrow(
    "standard output: cannot be written (no space left on device)",
  );
});

describe("a file that is not in the order of its times", () => {
  it("is named at the end, with how many packets are earlier than one before them, and by how much", async () => {
    const dir = folder();
    const ordered = put(dir, "a.pcap", pcapAt([1_000, 2_000, 2_000, 1_900, 3_000]));
    const one = put(dir, "b.pcap", pcapAt([1_000, 3_000, 2_899, 4_000]));
    const many = put(dir, "c.pcap", pcapAt([900_000, 10_000, 500_000, 899_950, 900_001]));
    const { status, out, err } = await reading([ordered, one, many]);
    expect([status, out]).toEqual([0, "0 sessions of 0 subflows in 14 packets; none of them shows MPTCP\n"]);
    expect(err.trimEnd().split("\n")).toEqual([
      `rejoin: ${one}: 1 packet is earlier than one before it, up to 0.10 ms; put it in order first: reordercap ${one} ordered.pcapng`,
      `rejoin: ${many}: 2 packets are earlier than one before them, up to 890 ms; put it in order first: reordercap ${many} ordered.pcapng`,
    ]);
    expect((await reading(["-"], {}, pcapAt([2_000, 1]))).err).toMatch(
      /^rejoin: standard input: 1 .* reordercap FILE /,
    );
  });
});

it("reads what is behind MPLS labels and PPPoE as it reads it without", async () => {
  const [first = ""] = ROUTERS;
  const dir = folder();
  const behind = (name: string, shim: (octets: Uint8Array) => Uint8Array) => {
    const packets = packetsOf(first, 0).map(({ octets, wire, ...packet }) => {
      const wrapped = Buffer.concat([octets.subarray(0, 12), shim(octets), octets.subarray(14)]);
      return { ...packet, octets: wrapped, wire: wire + wrapped.length - octets.length };
    });
    return put(dir, `${name}.pcap`, pcapFile(packets));
  };
  const plain = await reading([first], { json: true, digest: true });
  for (const [name, shim] of Object.entries({
    mpls: () => hex("8847 00064040 00065140"),
    pppoe: ({ length }: Uint8Array) => hex(`8864 1100 0001 ${(length - 12).toString(16).padStart(4, "0")} 0021`),
  })) {
    const { status, out, err } = await reading([behind(name, shim)], { json: true, digest: true });
    expect([status, err, out.replaceAll(`"${name}"`, '"router1"')]).toEqual([0, "", plain.out]);
  }
});

it("says of packets of a link type that is not read that nobody looked into them", async () => {
  const wifi = put(folder(), "wifi.pcap", pcapFile([packet(1, 1), packet(2, 2)], { ...USUAL_PCAP, linkType: 105 }));
  const told = "2 packets were not looked into (a link type that is not read)";
  expect(await reading([wifi])).toMatchObject({
    status: 0,
    out: `0 sessions of 0 subflows in 2 packets; ${told}\n`,
    err: "",
  });
  expect(await reading([wifi], { json: true })).toMatchObject({ status: 0, out: "", err: `rejoin: ${told}\n` });
  expect((await reading([wifi], { summary: true })).err).toBe("");
});

it("draws progress on a terminal, and takes it away before what follows", async () => {
  const { texts, ...io } = streams();
  await read(ROUTERS, {}, { ...io, stderr: Object.assign(io.stderr, { isTTY: true }) });
  const drawn = texts.err.split("\r\u001b[K");
  expect(drawn[1]).toMatch(/^\d+ % of .* left$/);
  expect([drawn[0], drawn.at(-1)]).toEqual(["", ""]);
});

const MAIN = fileURLToPath(new URL("../../dist/collectors/main.js", import.meta.url));
const unmet = existsSync(MAIN) ? needs("zstd") : "needs the build in dist";
describe.skipIf(unmet)(titled("rejoin read, the program", unmet), () => {
  const run = (args: readonly string[], input?: Uint8Array) =>
    spawnSync(process.execPath, [MAIN, "read", ...args], {
      encoding: "utf8",
      ...(input === undefined ? {} : { input }),
    });

  it("reads zstd from a pipe as it reads the file", () => {
    const [first = ""] = ROUTERS;
    const { stdout: zstd } = spawnSync("zstd", ["-c", "-q"], {
      input: gunzipSync(readFileSync(first)),
      maxBuffer: 1 << 30,
    });
    const piped = run(["--json", "--digest", "-"], zstd);
    expect([piped.status, piped.stderr]).toEqual([0, ""]);
    expect(piped.stdout).toBe(run(["--json", "--digest", first]).stdout.replaceAll('"router1"', '"stdin"'));
  });

  it("ends with 2 and one line for a wrong command line", () => {
    for (const args of [[], ["--nonsense", "x"], ["--streams"]]) {
      const { status, stdout, stderr } = run(args);
      expect([status, stdout]).toEqual([2, ""]);
      expect(stderr).toMatch(/^rejoin: [^\n]+\n$/);
    }
  });

  it("ends quietly when its reader has enough", () => {
    const script = `"$0" "$1" read --json ${ROUTERS.join(" ")} | true; echo "\${PIPESTATUS[0]}"`;
    const { stdout, stderr } = spawnSync("bash", ["-c", script, process.execPath, MAIN], { encoding: "utf8" });
    expect([stdout, stderr]).toEqual(["0\n", ""]);
  });

  it("has a page with examples", () => {
    const { status, stdout } = run(["--help"]);
    expect(status).toBe(0);
    for (const word of [
      "--json",
      "--summary",
      "--streams <dir>",
      "--digest",
      "--partial",
      "Exit status",
      "Examples:",
    ]) {
      expect(stdout).toContain(word);
    }
  });
});
