import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { comparisonLines } from "../../collectors/demo/closing.ts";
import { type DemoResult, runDemo } from "../../collectors/demo/demo.ts";
import { PLAIN } from "../../collectors/terminal/style.ts";

const CAPTURES = fileURLToPath(new URL("../../collectors/demo/captures", import.meta.url));
const MAIN = fileURLToPath(new URL("../../dist/bin/rejoin.js", import.meta.url));
/** Two megabytes are what the demo may weigh. */
const MAX_OCTETS = 2_000_000;

const log = pino({ level: "silent" });
const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true });
});

function emptyFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "rejoin-demo-"));
  folders.push(folder);
  return folder;
}

function copyOfCaptures(): string {
  const folder = emptyFolder();
  for (const name of ["router1.pcap.gz", "router2.pcap.gz", "endpoints.json"]) {
    copyFileSync(join(CAPTURES, name), join(folder, name));
  }
  return folder;
}

async function play(folder: string): Promise<{ lines: string[]; result: DemoResult }> {
  const lines: string[] = [];
  const result = await runDemo({ folder, speed: 5, style: PLAIN, say: (line) => lines.push(line) }, log);
  return { lines, result };
}

test("the captures are small enough to be shipped", () => {
  const octets = ["router1.pcap.gz", "router2.pcap.gz"].map((name) => readFileSync(join(CAPTURES, name)).length);
  expect(octets[0] ?? 0).toBeGreaterThan(0);
  expect((octets[0] ?? 0) + (octets[1] ?? 0)).toBeLessThan(MAX_OCTETS);
});

describe("played five times as fast", () => {
  let lines: string[];
  let result: DemoResult;
  beforeAll(async () => {
    ({ lines, result } = await play(CAPTURES));
  });

  test("every session comes out as its hosts had it", () => {
    expect(lines.filter((line) => line.includes("time ran out"))).toEqual([]);
    expect(result.outcomes.map(({ view, faults }) => [view.title, faults])).toEqual(
      result.outcomes.map(({ view }) => [view.title, []]),
    );
    expect(result.outcomes).toHaveLength(6);
  });

  test("sessions are told as they open, gain subflows and end, in 80 columns and forward in time", () => {
    const told = lines.filter((line) => /^ *\d+\.\d s /.test(line));
    const of = (what: string) => told.filter((line) => line.includes(what));
    expect(of(" opened ")).toHaveLength(6);
    expect(of(" ended ")).toHaveLength(6);
    expect(of(" + subflow ")).toHaveLength(7);
    expect(of(" + address ")).toHaveLength(2);
    expect(of(" + subflow ").every((line) => line.endsWith("verified"))).toBe(true);
    expect(Math.max(...told.map((line) => line.length))).toBeLessThanOrEqual(80);
    const times = told.map((line) => Number.parseFloat(line));
    expect(times).toEqual(times.toSorted((a, b) => a - b));
  });

  test("no packet is lost, and each is accounted for", () => {
    expect(result.agents.map(({ seen, sent, reports, cut }) => [sent - reports - seen, cut])).toEqual([
      [0, 0],
      [0, 0],
    ]);
    const { agents, totals } = result.report;
    expect(agents.map(({ name, packets, lost }) => ({ name, packets, lost }))).toEqual(
      result.agents.map(({ sent }, i) => ({ name: `router${i + 1}`, packets: sent, lost: 0 })),
    );
    expect(totals.packetsIn).toBe(agents.reduce((sum, { packets }) => sum + packets, 0));
  });

  test("one router alone does not show the stream that both show", async () => {
    const [first] = result.outcomes;
    if (first === undefined) throw new Error("no session");
    const sha256 = first.view.stream.initiator?.sha256.slice(0, 16) ?? "";
    const [sender, both, one, two] = (await comparisonLines(first, CAPTURES, PLAIN)).slice(2);
    expect(sender).toContain(sha256);
    expect(both).toMatch(new RegExp(`both routers +3,145,819 +${sha256}… +equal, whole`));
    expect(one).toMatch(/router1 alone +738,540 .*first hole at 65,160/);
    expect(one).not.toContain(sha256);
    expect(two).toMatch(/router2 alone +0 .*does not know/);
  });
});

test("what a router did not see is missing, and is said", async () => {
  const folder = copyOfCaptures();
  copyFileSync(join(CAPTURES, "router1.pcap.gz"), join(folder, "router2.pcap.gz"));
  const { result } = await play(folder);
  expect(result.outcomes[0]?.faults).toEqual(
    expect.arrayContaining(["1 of 3 subflows", "738540 of 3145819 octets of the initiator"]),
  );
});

test("octets that are not the hosts' are noticed", async () => {
  const folder = copyOfCaptures();
  const text = readFileSync(join(folder, "endpoints.json"), "utf8");
  writeFileSync(join(folder, "endpoints.json"), text.replace(/"sha256": "7/, '"sha256": "8'));
  const { result } = await play(folder);
  expect(result.outcomes.map(({ faults }) => faults)).toEqual([
    [expect.stringMatching(/^another SHA-256 of what the initiator sent: [0-9a-f]{64}$/)],
    ...Array(5).fill([]),
  ]);
});

test("agents that are stopped because the time ran out are told of", async () => {
  const lines: string[] = [];
  const say = (line: string) => lines.push(line);
  const { outcomes } = await runDemo({ folder: CAPTURES, speed: 1, style: PLAIN, say, limitMs: 500 }, log);
  expect(lines).toContainEqual(expect.stringMatching(/^The time ran out: agents were stopped after 0\.5 s /));
  expect(outcomes.some(({ faults }) => faults.length > 0)).toBe(true);
});

test("a damaged capture is one clear line", async () => {
  const folder = copyOfCaptures();
  writeFileSync(join(folder, "router2.pcap.gz"), "no capture");
  await expect(play(folder)).rejects.toThrow(/router2\.pcap\.gz: /);
  await expect(play(emptyFolder())).rejects.toThrow(/endpoints\.json: cannot be read/);
});

test("the program ends by itself with status 0, from any folder, and what it says to try works", async () => {
  const folder = emptyFolder();
  const { status, output, errors } = await run(process.execPath, [MAIN, "demo"], folder);
  expect({ status, errors }).toEqual({ status: 0, errors: "" });
  expect(output).not.toContain("\u001b");
  const commands = output.split("\n").filter((line) => line.startsWith("    node "));
  expect(commands).toHaveLength(6);
  for (const command of commands.slice(0, 4)) {
    expect(await run("sh", ["-c", command], folder)).toMatchObject({ status: 0, errors: "" });
  }
}, 60_000);

async function run(program: string, args: string[], cwd: string) {
  const child = spawn(program, args, { cwd, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  let errors = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    errors += text;
  });
  const [status] = await once(child, "close");
  return { status: status as number | null, output, errors };
}
