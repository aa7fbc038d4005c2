import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { command } from "../../collectors/agent/command.ts";
import { askStatus } from "../../collectors/agent/status.ts";
import { helpOf } from "../support/help.ts";
import { pcapFile } from "../support/pcap.ts";
import { conversation } from "./frames.ts";
import { Receiver } from "./receiver.ts";

/** The command line as it is installed: the build, not the sources. */
const REJOIN = fileURLToPath(new URL("../../dist/collectors/main.js", import.meta.url));

const STARTED = /agent .* started/;

let folder: string;
let receiver: Receiver;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "rejoin-agent-"));
  receiver = await Receiver.open();
});

afterEach(() => rmSync(folder, { recursive: true }));

/** Runs `rejoin agent --replay` to its end: exit status, and the lines on standard error that are not the log. */
async function replay(octets: Uint8Array, port: number): Promise<{ status: number | null; lines: string[] }> {
  const path = join(folder, "a.pcap");
  writeFileSync(path, octets);
  const agent = spawn(process.execPath, [REJOIN, "agent", "-r", path, "-c", `127.0.0.1:${port}`]);
  let errors = "";
  agent.stderr.setEncoding("utf8").on("data", (text) => {
    errors += text;
  });
  await once(agent, "close");
  return { status: agent.exitCode, lines: errors.split("\n").filter((line) => line !== "" && !line.startsWith("{")) };
}

describe("the exit status of a replay", () => {
  const whole = pcapFile(conversation(1001, 0, true));

  it("is 0 when every copy was sent", async () => {
    expect(await replay(whole, receiver.port)).toEqual({ status: 0, lines: [] });
    expect(await receiver.received(205)).toHaveLength(205);
    receiver.close();
  });

  it("is 1 when a file is damaged", async () => {
    const { status, lines } = await replay(whole.subarray(0, -5), receiver.port);
    expect([status, lines]).toEqual([1, [expect.stringContaining("a.pcap")]]);
    receiver.close();
  });

  it("is 1 when nobody listens, and one line says how many copies went nowhere", async () => {
    const { port } = receiver;
    receiver.close();
    const { status, lines } = await replay(whole, port);
    expect(status).toBe(1);
    expect(lines).toEqual([
      expect.stringMatching(
        /^rejoin: not every one of 205 copies went out: \d+ failed to be sent, 0 dropped, at least /,
      ),
    ]);
  });
});

it("a replay without MPTCP to where nobody listens is told as such", async () => {
  const { port } = receiver;
  receiver.close();
  expect(await replay(pcapFile(conversation(1001, 0, false)), port)).toEqual({
    status: 1,
    lines: [
      "rejoin: there was no copy to send, and the collector could not be told so; check --collector and that it runs",
    ],
  });
});

describe("an agent that cannot be asked, or become its user, sends nothing", () => {
  const config = (...lines: string[]): string => {
    const [capture, file] = [join(folder, "a.pcap"), join(folder, "agent.yaml")];
    writeFileSync(capture, pcapFile(conversation(1001, 0, true)));
    const replay = `replay: { files: [${capture}], speed: max }`;
    writeFileSync(file, [replay, `collector: 127.0.0.1:${receiver.port}`, ...lines].join("\n"));
    return file;
  };
  const fault = async (file: string): Promise<string> => {
    const agent = spawn(process.execPath, [REJOIN, "agent", "--config", file]);
    let errors = "";
    agent.stderr.setEncoding("utf8").on("data", (text) => {
      errors += text;
    });
    await once(agent, "close");
    expect(agent.exitCode).toBe(2);
    expect(await receiver.received(0)).toEqual([]);
    expect(receiver.reports).toEqual([]);
    receiver.close();
    return errors;
  };

  it("as where somebody listens at its status socket", async () => {
    const path = join(folder, "agent.sock");
    const other = createServer().listen(path);
    await once(other, "listening");
    expect(await fault(config(`status: { socket: ${path} }`))).toMatch(
      /^rejoin: status\.socket: somebody listens at .*\n$/,
    );
    other.close();
  });

  it("as where somebody has its admin address: nor does it leave its status socket", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const path = join(folder, "agent.sock");
    const { port } = other.address() as AddressInfo;
    const errors = await fault(config(`status: { socket: ${path} }`, `admin: { listen: ${port} }`));
    expect(errors).toMatch(/^rejoin: the admin address .* cannot be had/);
    expect(existsSync(path)).toBe(false);
    other.close();
  });

  it("as where nobody has the name of its user, or it is not root", async () => {
    expect(await fault(config("user: nobody-has-this-name"))).toMatch(/^rejoin: user: .*nobody-has-this-name/);
  });
});

it("ends with its account when SIGTERM comes as soon as it has started", async () => {
  const path = join(folder, "a.pcap");
  writeFileSync(path, pcapFile(conversation(1001, 0, true)));
  const agent = spawn(process.execPath, [REJOIN, "agent", "-r", path, "-c", `127.0.0.1:${receiver.port}`]);
  let errors = "";
  agent.stderr.setEncoding("utf8").on("data", (text) => {
    const hadStarted = STARTED.test(errors);
    errors += text;
    // Once: a second signal ends it at once.
    if (!hadStarted && STARTED.test(errors)) agent.kill("SIGTERM");
  });
  await once(agent, "close");
  receiver.close();
  expect({ status: agent.exitCode, signal: agent.signalCode }).toEqual({ status: 0, signal: null });
  expect(errors).toMatch(/agent .* ended/);
});

it("ends by SIGTERM while it waits for what it replays: a pipe that nobody writes to", async () => {
  const path = join(folder, "pipe");
  execFileSync("mkfifo", [path]);
  const [socket, file] = [join(folder, "agent.sock"), join(folder, "agent.yaml")];
  writeFileSync(file, `status: { socket: ${socket} }`);
  const words = ["agent", "--config", file, "-r", path, "-c", `127.0.0.1:${receiver.port}`];
  const agent = spawn(process.execPath, [REJOIN, ...words]);
  const closed = once(agent, "close");
  const files = `/proc/${agent.pid}/fd`;
  const isOpen = () => readdirSync(files).some((file) => readlinkSync(join(files, file)) === path);
  await vi.waitFor(() => expect(isOpen()).toBe(true), 5_000);
  expect(await askStatus(socket)).toBe("null\n");
  agent.kill("SIGTERM");
  await closed;
  receiver.close();
  expect(agent.exitCode ?? agent.signalCode).toBe(143);
  expect(existsSync(socket)).toBe(false);
});

it("has a page that fits into 80 columns and says what the exit status means", () => {
  const lines = helpOf(command()).split("\n");
  expect(lines.filter((line) => line.length > 80)).toEqual([]);
  expect(lines.filter((line) => line.startsWith("Exit status: 0 "))).toHaveLength(1);
  // One agent for each place, and what an agent cannot know.
  expect(lines.filter((line) => /^One agent, with a --key of its own, for each place/.test(line))).toHaveLength(1);
  expect(lines.join(" ")).toMatch(/lost in this host's kernel\. What is lost behind the agent it cannot know/);
});
