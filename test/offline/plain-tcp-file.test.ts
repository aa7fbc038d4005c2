import { spawnSync } from "node:child_process";
import { existsSync, linkSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { read } from "../../collectors/offline/reading.ts";
import { REJOIN } from "../e2e/program.ts";
import { packetsIn } from "../plain-tcp/retold.ts";
import { BEGIN, Conversation } from "../support/conversation.ts";
import { pcapFile } from "../support/pcap.ts";
import { run } from "../support/pipeline-run.ts";
import { folder, put, streams } from "./files.ts";

const EARLY = {
  keys: [Buffer.alloc(8, 3), Buffer.alloc(8, 4)],
  ends: [
    { ip: "10.1.0.9", port: 9 },
    { ip: "10.2.0.2", port: 443 },
  ],
  atMicros: BEGIN - 100_000_000,
} as const;
const RAW = { linkType: 101, nanoseconds: false, littleEndian: true };

/** A capture of one session in which each side said something. */
function capture(directory: string, octets = "ask"): string {
  const talk = new Conversation().open().send(0, octets).send(1, "answer").close();
  return put(directory, "capture.pcap", pcapFile(talk.packets, RAW));
}

/** Reads a capture; status, and what was written. */
async function retelling(inputs: readonly string[], plainTcp: string) {
  const { texts, ...io } = streams();
  const status = await read(inputs, { plainTcp, summary: true }, io);
  return { status, ...texts };
}

describe("sessions as plain TCP, in a file", () => {
  it("stand in a pcap file of raw IP, each packet with its time", async () => {
    const directory = folder();
    const path = join(directory, "whole.pcap");
    const { status, err, out } = await retelling([capture(directory)], path);
    expect([status, err]).toEqual([0, ""]);
    expect(out).toContain("sessions");
    const packets = packetsIn(path);
    expect(packets.map(({ flags, payload }) => `${flags} ${payload}`).slice(0, 5)).toEqual([
      "S ",
      "SA ",
      "A ",
      "AP ask",
      "A ",
    ]);
    expect(packets[0]?.atMicros).toBe(new Conversation().atMicros);
    expect(statSync(path).mode & 0o137).toBe(0);
  });

  it("replace those of an earlier run, and are none where there is no session", async () => {
    const directory = folder();
    const path = put(directory, "whole.pcap", "x".repeat(100_000));
    const plain = put(directory, "plain.pcap", pcapFile([], RAW));
    expect((await retelling([plain], path)).status).toBe(0);
    expect(packetsIn(path)).toEqual([]);
  });

  it("are more than is written at once", async () => {
    const directory = folder();
    const path = join(directory, "whole.pcap");
    const talk = new Conversation().open();
    for (let n = 0; n < 40; n++) talk.send(0, String.fromCharCode(48 + n).repeat(30_000));
    await retelling([put(directory, "much.pcap", pcapFile(talk.packets, RAW))], path);
    const text = packetsIn(path)
      .map(({ payload }) => `${payload}`)
      .join("");
    expect(text).toBe(Array.from({ length: 40 }, (_, n) => String.fromCharCode(48 + n).repeat(30_000)).join(""));
  });

  it("overwrite no capture that is to be read, by whatever name", async () => {
    const directory = folder();
    const input = capture(directory);
    const before = readFileSync(input);
    const other = join(directory, "same.pcap");
    linkSync(input, other);
    for (const path of [input, other])
      await expect(retelling([input], path)).rejects.toThrow(`${path}: no capture can be written here (it is ${input}`);
    expect(readFileSync(input)).toEqual(before);
  });

  it("overwrite no capture that comes on standard input", () => {
    const directory = folder();
    const input = capture(directory);
    const before = readFileSync(input);
    const program = `exec "$0" "$1" read --plain-tcp "$2" - < "$2"`;
    const { status, stderr } = spawnSync("sh", ["-c", program, process.execPath, REJOIN, input], { encoding: "utf8" });
    expect(stderr).toContain(`${input}: no capture can be written here (it is -, which is to be read)`);
    expect([status, readFileSync(input)]).toEqual([2, before]);
  });

  it("are whole also where streams cannot be written", async () => {
    const directory = folder();
    const path = join(directory, "whole.pcap");
    const talk = new Conversation().open().send(0, "ask").close();
    const input = put(directory, "one.pcap", pcapFile(talk.packets, RAW));
    const { texts: _, ...io } = streams();
    const { records } = run(talk.packets);
    const name = `${records[0]?.mptcp.session.id}.initiator`;
    const streamsFolder = join(directory, "streams");
    mkdirSync(join(streamsFolder, name), { recursive: true });
    await expect(read([input], { plainTcp: path, streams: streamsFolder }, io)).rejects.toThrow("EISDIR");
    expect(packetsIn(path).map(({ payload }) => `${payload}`)).toContain("ask");
  });

  it("end early where nobody reads the report any more, and that is said", () => {
    const directory = folder();
    const talk = new Conversation().open();
    for (let n = 0; n < 300; n++) talk.send(0, "z".repeat(30_000));
    const input = put(directory, "much.pcap", pcapFile(talk.packets, RAW));
    const path = join(directory, "whole.pcap");
    // A session that ends early, so that something is printed.
    const one = new Conversation(EARLY).open().close();
    const other = put(directory, "early.pcap", pcapFile(one.wait(1).packets, RAW));
    const program = `"$0" "$1" read --json --plain-tcp "$2" "$3" "$4" | true; exit "\${PIPESTATUS[0]}"`;
    const { status, stderr } = spawnSync("bash", ["-c", program, process.execPath, REJOIN, path, input, other], {
      encoding: "utf8",
    });
    expect(stderr).toContain(`${path}: ends early: standard output was closed`);
    expect(status).toBe(1);
  });

  it("are refused where no file can be", async () => {
    const directory = folder();
    const input = capture(directory);
    for (const [path, why] of [
      [directory, "it is no ordinary file"],
      ["/dev/null", "it is no ordinary file"],
      [join(directory, "none", "whole.pcap"), "ENOENT"],
    ] as const)
      await expect(retelling([input], path)).rejects.toThrow(why);
    await expect(retelling([input], "-")).rejects.toThrow("--plain-tcp writes a capture beside the report");
  });

  it("are not begun where a capture cannot be read", async () => {
    const directory = folder();
    const path = join(directory, "whole.pcap");
    expect((await retelling([put(directory, "text", "no capture")], path)).status).toBe(2);
    expect(existsSync(path)).toBe(false);
  });

  it("end where the disk is full, and that is said", () => {
    const directory = folder();
    const input = capture(directory, "y".repeat(60_000));
    const path = join(directory, "whole.pcap");
    // 16 KiB, for every file that the shell's program writes.
    const program = `ulimit -f 32; exec "$0" "$1" read --plain-tcp "$2" "$3"`;
    const { status, stderr, stdout } = spawnSync("sh", ["-c", program, process.execPath, REJOIN, path, input], {
      encoding: "utf8",
    });
    expect(stderr).toMatch(/whole\.pcap: no capture can be written here \(EFBIG.*may lack the last [1-9]\d* packets/);
    expect([status, stdout.includes("10.1.0.1")]).toEqual([2, true]);
  });
});
