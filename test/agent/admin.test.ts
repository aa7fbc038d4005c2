import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { readyHealth } from "../../collectors/agent/admin.ts";
import { METRICS } from "../../collectors/agent/metrics.ts";
import { REJOIN } from "../e2e/program.ts";
import { capturePath } from "../support/copies.ts";
import { Receiver } from "./receiver.ts";

let folder: string;
let receiver: Receiver;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "rejoin-agent-admin-"));
  receiver = await Receiver.open();
});

afterEach(() => {
  receiver.close();
  rmSync(folder, { recursive: true });
});

const collector = (name: string, reachable: boolean) => ({
  ...{ name, address: "192.0.2.9", reachable, room: 1448 },
  counters: { sent: 0, reports: 0, cut: 0, failed: 0, refused: 0, tooLong: 0, dropped: 0 },
});

it.each(METRICS)("$name is named as what it is", ({ name, type, help }) => {
  expect(name).toMatch(/^rejoin_[a-z]+(_[a-z]+)*$/);
  expect(name.endsWith("_total")).toBe(type === "counter");
  expect(help).toMatch(/^[A-Z].*[^.]$/);
});

it("an agent is ready while one of its collectors is there, or the kernel sends", () => {
  expect(readyHealth({ collectors: [collector("a 4754", false), collector("b 4754", true)] })).toEqual({
    well: true,
    reasons: ["nobody listens at a 4754", "copies go to b 4754"],
  });
  expect(readyHealth({ collectors: [collector("a 4754", false)] }).well).toBe(false);
  expect(readyHealth({ collectors: [] }).well).toBe(true);
  expect(readyHealth(null)).toEqual({ well: false, reasons: ["the agent is starting"] });
});

it("an agent at work tells its metrics to who has the token, and goes when it is asked to", async () => {
  const file = join(folder, "agent.yaml");
  writeFileSync(
    file,
    [
      // So slowly that the work is not done before it is asked, on whatever machine.
      `replay: { files: [${capturePath("join-client/router1.pcap.gz")}], speed: 0.01 }`,
      `collector: 127.0.0.1:${receiver.port}`,
      "admin: { listen: 0, token: a-token }",
    ].join("\n"),
  );
  const agent = spawn(process.execPath, [REJOIN, "agent", "--config", file]);
  let log = "";
  agent.stderr.setEncoding("utf8").on("data", (text) => {
    log += text;
  });
  await expect.poll(() => log, { timeout: 30_000 }).toMatch(/metrics and health at http/);
  const base = /metrics and health at (http:\/\/127\.0\.0\.1:\d+)/.exec(log)?.[1];
  const get = async (path: string, headers: Record<string, string> = {}) => {
    const response = await fetch(`${base}${path}`, { headers });
    return [response.status, await response.text()] as const;
  };
  expect((await get("/metrics"))[0]).toBe(401);
  expect(await get("/readyz")).toEqual([200, `yes\ncopies go to 127.0.0.1 ${receiver.port}\n`]);
  const metrics = async () => (await get("/metrics", { authorization: "Bearer a-token" }))[1];
  await expect.poll(metrics, { timeout: 30_000 }).toMatch(/^rejoin_copies_total\{.*fate="sent"\} [1-9]/m);
  expect(await metrics()).toMatch(/^rejoin_table_bound\{table="flows"\} 131072$/m);
  agent.kill("SIGTERM");
  await once(agent, "close");
  expect(agent.exitCode).toBe(0);
  expect(log).not.toContain("a-token");
});
