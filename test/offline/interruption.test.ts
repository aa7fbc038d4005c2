import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { createWriteStream, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync, gzipSync } from "node:zlib";
import { describe, expect, it, onTestFinished } from "vitest";
import { REJOIN } from "../e2e/program.ts";
import { Conversation } from "../support/conversation.ts";
import { pcapFile } from "../support/pcap.ts";
import { folder, put } from "./files.ts";

const CAPTURE = fileURLToPath(new URL("../captures/join-client/router1.pcap.gz", import.meta.url));
const RAW_IP = { linkType: 101, nanoseconds: false, littleEndian: true };
/** A session that goes on where the capture ends. */
const OPEN = pcapFile(new Conversation().open().packets, RAW_IP);

/** `rejoin read`, and how it ended: by a status, or by a signal. */
function reading(...args: readonly string[]) {
  const child = spawn(process.execPath, [REJOIN, "read", ...args], { stdio: ["pipe", "pipe", "pipe"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  // It may end while something is written to it.
  child.stdin.on("error", () => {});
  const said = { out: "", err: "" };
  child.stdout.on("data", (text) => {
    said.out += text;
  });
  child.stderr.on("data", (text) => {
    said.err += text;
  });
  const ended = new Promise<{ status: number | string | null; out: string; err: string }>((resolve) =>
    child.on("close", (code, signal) => resolve({ status: code ?? signal, ...said })),
  );
  return { child, ended };
}

/** Waits until a process has begun, read what there was, and sleeps: its processor time stands still. */
async function waits(child: ChildProcess): Promise<void> {
  let before = "";
  for (let still = 0; still < 6; ) {
    // After the name in parentheses: the state, and as 12th and 13th the ticks in user and in system mode.
    const fields = readFileSync(`/proc/${child.pid}/stat`, "latin1").split(") ")[1]?.split(" ") ?? [];
    const now = [fields[0], fields[11], fields[12]].join(" ");
    still = now === before && now.startsWith("S ") && Number(fields[11]) > 0 ? still + 1 : 0;
    before = now;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const line = (signal: string) => `rejoin: interrupted (${signal}): the rest was not read\n`;

describe("the first signal is the end of what is read", () => {
  it.each([
    ["SIGINT", 130, OPEN],
    ["SIGTERM", 143, OPEN],
    ["SIGINT", 130, gzipSync(OPEN)],
    ["SIGINT", 130, Buffer.concat([OPEN, OPEN.subarray(24, 50)])],
  ] as const)("from standard input that has more to come: %s", async (signal, status, octets) => {
    const { child, ended } = reading("--json", "-");
    child.stdin.write(octets);
    await waits(child);
    child.kill(signal);
    const { out, ...rest } = await ended;
    expect(rest).toEqual({ status, err: line(signal) });
    expect(JSON.parse(out).mptcp.close.reason).toBe("end-of-input");
  });

  it("where not even a first packet came", async () => {
    const { child, ended } = reading("-");
    await waits(child);
    child.kill("SIGINT");
    expect(await ended).toEqual({
      status: 130,
      out: "0 sessions of 0 subflows in 0 packets\n",
      err: line("SIGINT"),
    });
  });

  it("of several files, one of them a pipe by its name", async () => {
    const directory = folder();
    const pipe = join(directory, "pipe");
    execFileSync("mkfifo", [pipe]);
    const { child, ended } = reading(put(directory, "open.pcap", OPEN), pipe);
    const writer = createWriteStream(pipe).on("error", () => {});
    onTestFinished(() => void writer.destroy());
    writer.write(gunzipSync(readFileSync(CAPTURE)).subarray(0, 200_000));
    await waits(child);
    child.kill("SIGTERM");
    const { out, ...rest } = await ended;
    expect(rest).toEqual({ status: 143, err: line("SIGTERM") });
    expect(out).toMatch(/\n2 sessions of 2 subflows in \d+ packets\n$/);
  });

  it("of a pipe that nobody has written to", async () => {
    const pipe = join(folder(), "pipe");
    execFileSync("mkfifo", [pipe]);
    const { child, ended } = reading(pipe);
    await waits(child);
    child.kill("SIGTERM");
    expect(await ended).toMatchObject({ status: 143, out: "0 sessions of 0 subflows in 0 packets\n" });
  });

  it("also where there is always more", async () => {
    const { child, ended } = reading("--summary", "-", CAPTURE);
    const octets = gunzipSync(readFileSync(CAPTURE));
    child.stdin.write(octets);
    let rounds = 0;
    const more = (): void => {
      if (++rounds === 10) child.kill("SIGINT");
      child.stdin.write(octets.subarray(24), (error) => (error ? undefined : more()));
    };
    more();
    const { status, err } = await ended;
    // Times that begin anew are told, too.
    expect([status, err.slice(err.lastIndexOf("rejoin: "))]).toEqual([130, line("SIGINT")]);
  });
});

it("a second signal ends it at once", async () => {
  const { child, ended } = reading("--json", "-");
  const sessions = Array.from({ length: 2000 }, (_, i) => {
    const ends = [
      { ip: `10.1.${i >> 8}.${i & 255}`, port: 40_000 },
      { ip: "10.2.0.2", port: 443 },
    ] as const;
    return new Conversation({ ends, keys: [Buffer.from(`a${i}`.padEnd(8)), Buffer.from(`b${i}`.padEnd(8))] }).open();
  });
  child.stdin.write(
    pcapFile(
      sessions.flatMap(({ packets }) => packets),
      RAW_IP,
    ),
  );
  // What is told fills the pipe, and nobody takes it.
  child.stdout.pause();
  await waits(child);
  child.kill("SIGINT");
  await waits(child);
  child.kill("SIGINT");
  child.stdout.resume();
  expect(await ended).toMatchObject({ status: "SIGINT", err: "" });
});
