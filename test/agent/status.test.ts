import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createConnection, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { askStatus, serveStatus } from "../../collectors/agent/status.ts";

// More than a socket's buffers hold: whoever does not read it keeps its connection.
const LONG = "x".repeat(4 << 20);

let folder: string;
let path: string;
let server: Server | null = null;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "rejoin-status-"));
  path = join(folder, "agent.sock");
});
afterEach(() => {
  server?.close();
  rmSync(folder, { recursive: true });
});

/** Sixteen who ask and do not read. */
async function idlers(): Promise<Socket[]> {
  const idle = Array.from({ length: 16 }, () => createConnection(path).on("error", () => {}));
  await Promise.all(idle.map((connection) => once(connection, "readable")));
  return idle;
}

it("answers sixteen at a time", async () => {
  server = await serveStatus(path, () => LONG);
  const idle = await idlers();
  expect(await askStatus(path)).toBe("");
  for (const connection of idle) connection.destroy();
  await expect.poll(async () => (await askStatus(path)).length).toBe(LONG.length + 3);
});

it("waits for nobody who does not read", async () => {
  server = await serveStatus(path, () => LONG, 100);
  await idlers();
  await expect.poll(async () => (await askStatus(path)).length).toBe(LONG.length + 3);
});
