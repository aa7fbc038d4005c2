import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { capturePath, copiesOf } from "../support/copies.ts";
import { freePort } from "../support/kafka.ts";
import { needs, titled } from "../support/requirements.ts";
import { Collect, send } from "./collect.ts";
import { REJOIN } from "./program.ts";

const TERMINAL = fileURLToPath(new URL("terminal.py", import.meta.url));
const ALTERNATE = "\u001b[?1049h";
const NORMAL = "\u001b[?1049l";

let folder: string;
let config: string;
let collect: Collect;
let port: number;

/** A collector that has seen three quarters of a session, so that it is open. */
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "rejoin-top-"));
  config = join(folder, "collector.yaml");
  port = await freePort();
  writeFileSync(
    config,
    `sink: {kind: files, files: {directory: ${folder}/records}}\nadmin: {listen: ${port}, token: a-token}\n`,
  );
  // Who may send stands in no file: `top` does not ask for it.
  collect = new Collect("--config", config, "--any-agent");
  const copies = await copiesOf([capturePath("join-client/router1.pcap.gz")]);
  await send(copies.slice(0, Math.floor(copies.length * 0.75)), await collect.port());
});

afterAll(async () => {
  collect.kill("SIGTERM");
  await collect.ended();
  rmSync(folder, { recursive: true });
});

const top = (...args: readonly string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [REJOIN, "top", ...args], { encoding: "utf8" });
  return { status, stdout, stderr };
};

describe("rejoin top where there is no terminal", () => {
  it("prints once: the collector, its agents, its sessions", () => {
    const { status, stdout, stderr } = top("--config", config, "--interval", "0.1");
    expect([status, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/^\S+, rejoin \S+, receiving, up \d+ s\npackets {3}/);
    expect(stdout).toMatch(/^sessions {2}1 open, /m);
    expect(stdout).toMatch(/^[0-9a-f]{8} \d+\.\d+\.\d+\.\d+:\d+ → .* [1-9]\/\d /m);
    expect(stdout).not.toContain("\u001b");
  });

  it("says that a token is asked for, and how to give it", () => {
    const base = `http://127.0.0.1:${port}`;
    const { status, stderr } = top(base, "--once");
    expect([status, stderr]).toEqual([
      2,
      `rejoin: ${base} asks for the token of admin.token: --config, or --token-file\n`,
    ]);
    writeFileSync(join(folder, "token"), "a-token\n");
    expect(top(base, "--token-file", join(folder, "token"), "--interval", "0.1").status).toBe(0);
  });

  it("shows no name, password or token that it cannot take", () => {
    const { status, stderr } = top("http://user:s3cret@127.0.0.1:1");
    expect([status, stderr]).toEqual([
      2,
      "rejoin: an admin server's address has no name or password in it; " +
        "a collector takes a token: --config, or --token-file\n",
    ]);
    const file = join(folder, "two-lines");
    writeFileSync(file, "s3cret\nother\n");
    expect(top("--token-file", file)).toEqual({
      ...{ status: 2, stdout: "" },
      stderr: `rejoin: --token-file ${file} holds no token: it is one line of printable ASCII\n`,
    });
  });

  it("says that nobody answers", async () => {
    const base = `http://127.0.0.1:${await freePort()}`;
    const { status, stderr } = top(base);
    expect([status, stderr]).toEqual([
      2,
      `rejoin: no collector answers at ${base} (ECONNREFUSED); does it run, with admin.listen?\n`,
    ]);
  });

  it("says that there is no whole answer, in time", async () => {
    const server: Server = createServer((_, response) => {
      const dripping = setInterval(() => response.write(" "), 100);
      response.on("close", () => clearInterval(dripping));
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const base = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
    const child = spawn(process.execPath, [REJOIN, "top", base]);
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (text) => {
      said += text;
    });
    const hung = setTimeout(() => child.kill("SIGKILL"), 12_000);
    await once(child, "close");
    clearTimeout(hung);
    expect([child.exitCode, said]).toEqual([
      2,
      `rejoin: no collector answers at ${base} (no whole answer in 5 s); does it run, with admin.listen?\n`,
    ]);
    server.close();
  });

  it("says that somebody else answers", async () => {
    const server: Server = createServer((_, response) => response.end("{}")).listen(0, "127.0.0.1");
    await once(server, "listening");
    const base = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
    const child = spawn(process.execPath, [REJOIN, "top", base]);
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (text) => {
      said += text;
    });
    await once(child, "close");
    expect([child.exitCode, said]).toEqual([2, `rejoin: what answers at ${base} is no collector of this version\n`]);
    server.close();
  });
});

const reason = needs("Linux", "python3");
describe.skipIf(reason)(titled("rejoin top on a terminal", reason), () => {
  let output: string;
  let terminal: ChildProcessWithoutNullStreams;

  function start(...whom: readonly string[]): void {
    output = "";
    const program = [process.execPath, REJOIN, "top", ...whom, "--interval", "0.2"];
    terminal = spawn("python3", [TERMINAL, "100", "20", ...program], { env: { ...process.env, TERM: "xterm" } });
    terminal.stdout.setEncoding("utf8").on("data", (text) => {
      output += text;
    });
  }
  /** The last picture that is whole, without what sets and ends colours and empties lines. */
  const picture = (): string[] => {
    const whole = output.split("\u001b[H").findLast((part) => part.includes("\u001b[J")) ?? "";
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is left out
    return whole.replace(/\u001b\[[\d?]*[a-zA-Z]/g, "").split("\r\n");
  };
  const painted = () => expect.poll(() => picture().some((line) => line.includes("SESSION")), { timeout: 20_000 });
  const command = (line: string) => terminal.stdin.write(`${line}\n`);
  const ended = async () => {
    await once(terminal, "close");
    return JSON.parse(output.trimEnd().split("\n").at(-1) ?? "") as unknown;
  };

  it.each([
    ["q", "key q"],
    ["Ctrl-C", "key \u0003"],
    ["SIGTERM", "signal 15"],
  ])("paints, and gives the terminal back at %s", async (_, ending) => {
    start("--config", config);
    await painted().toBe(true);
    expect(output.startsWith(ALTERNATE)).toBe(true);
    const pictures = () => output.split("\u001b[H").length;
    const before = pictures();
    await expect.poll(pictures, { timeout: 20_000 }).toBeGreaterThan(before + 1);
    command(ending);
    expect(await ended()).toEqual({ status: 0, restored: true });
    expect(output.slice(output.lastIndexOf("\u001b[H"))).toContain(`\u001b[?25h${NORMAL}`);
  });

  it("waits for no answer once it is told to end", async () => {
    let asked = 0;
    const server: Server = createServer(async (request, response) => {
      // One look is answered, the next one is not.
      if (++asked > 3) return;
      const answer = await fetch(new URL(request.url ?? "", `http://127.0.0.1:${port}`), {
        headers: { authorization: "Bearer a-token" },
      });
      response.end(await answer.text());
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    start(`http://127.0.0.1:${(server.address() as { port: number }).port}`);
    await painted().toBe(true);
    await expect.poll(() => asked, { timeout: 20_000 }).toBeGreaterThan(3);
    const toldMs = performance.now();
    command("key q");
    expect(await ended()).toEqual({ status: 0, restored: true });
    expect(performance.now() - toldMs).toBeLessThan(3000);
    server.close();
  });

  it("keeps to the terminal's size when that changes", async () => {
    start("--config", config);
    await painted().toBe(true);
    expect(picture().length).toBeLessThanOrEqual(20);
    command("size 44 9");
    const size = () => [picture().length <= 9, Math.max(...picture().map((line) => [...line].length)) <= 44];
    await expect.poll(size, { timeout: 20_000 }).toEqual([true, true]);
    expect(picture()[0]).toContain("rejoin");
    command("key q");
    expect(await ended()).toEqual({ status: 0, restored: true });
  });
});
