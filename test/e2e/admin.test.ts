import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { capturePath, copiesOf } from "../support/copies.ts";
import { Collect, send } from "./collect.ts";

/** The sum of all samples of a metric. */
function sum(exposition: string, name: string): number {
  return exposition
    .split("\n")
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .reduce((total, line) => total + Number(line.slice(line.lastIndexOf(" "))), 0);
}

test("a collector's metrics account for every packet and record, and its health says why", async () => {
  const folder = mkdtempSync(join(tmpdir(), "rejoin-admin-"));
  const file = join(folder, "collector.yaml");
  writeFileSync(join(folder, "token"), "a-token\n");
  writeFileSync(
    file,
    `sink: {kind: files, files: {directory: ${folder}/records}}\nadmin: {listen: 0, token: "$\{file:${folder}/token}"}\nlog: {level: trace}\n`,
  );
  const collect = new Collect("--config", file);
  const base = await collect.says(/metrics and health at (http:\/\/127\.0\.0\.1:\d+)/);
  const get = async (path: string, headers: Record<string, string> = {}) => {
    const response = await fetch(`${base}${path}`, { headers });
    return { status: response.status, text: await response.text() };
  };
  const scrape = async () => (await get("/metrics", { authorization: "Bearer a-token" })).text;

  // It has started by now; wall time is other processes' as well.
  await collect.port();
  const started = sum(await scrape(), "process_cpu_seconds_total");
  expect([started > 0, started < 1]).toEqual([true, true]);

  const copies = await copiesOf([
    capturePath("join-client/router1.pcap.gz"),
    capturePath("join-client/router2.pcap.gz"),
  ]);
  await send(copies, await collect.port());
  expect((await get("/metrics")).status).toBe(401);
  expect(await get("/livez")).toEqual({ status: 200, text: "yes\nthe event loop turns\n" });
  expect(await get("/startupz")).toEqual({ status: 200, text: "yes\nsockets are open, and records have a place\n" });
  expect(await get("/readyz")).toEqual({
    status: 200,
    text: expect.stringMatching(/^yes\nsockets are open\n\d % of /),
  });

  let text = await scrape();
  for (let waits = 0; waits < 100 && sum(text, "rejoin_sessions_ended_total") === 0; waits++) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    text = await scrape();
  }
  const received = sum(text, "rejoin_source_packets_total");
  expect(received).toBeGreaterThan(0);
  expect(sum(text, "rejoin_packets_total")).toBe(received);
  expect(sum(text, "rejoin_agent_packets_total")).toBe(received);
  expect(sum(text, "rejoin_sessions_opened_total")).toBe(
    sum(text, "rejoin_sessions") + sum(text, "rejoin_sessions_ended_total"),
  );
  expect(sum(text, "rejoin_records_made_total")).toBe(
    sum(text, "rejoin_records_acknowledged_total") +
      sum(text, "rejoin_outbox_records") +
      sum(text, "rejoin_records_shed_total"),
  );
  expect(sum(text, "rejoin_subflows_opened_total")).toBe(
    sum(text, "rejoin_subflows") + sum(text, "rejoin_subflows_ended_total"),
  );
  expect(text).toMatch(/^rejoin_table_bound\{table="outbox-octets"\} \d+$/m);
  const debug = async (path: string) => {
    const page = await get(`/debug/${path}`, { authorization: "Bearer a-token" });
    return page.status === 200 ? JSON.parse(page.text) : page;
  };
  expect((await get("/debug/sessions")).status).toBe(401);
  expect(await debug("sessions?limit=0")).toEqual({ status: 400, text: "limit is a number from 1 to 1000\n" });
  expect(await debug("sessions")).toEqual({ live: 0, sessions: [], next: null });
  const { agents } = await debug("agents?limit=1000");
  expect(agents.reduce((all: number, { packets }: { packets: number }) => all + packets, 0)).toBe(received);
  expect(await debug("totals")).toMatchObject({ phase: "receiving", totals: { packetsIn: received } });
  for (const line of ["rejoin_build_info{", "nodejs_eventloop_lag_p99_seconds ", "nodejs_gc_duration_seconds_count"]) {
    expect(text).toContain(`\n${line}`);
  }

  collect.kill("SIGTERM");
  expect(await collect.ended()).toBe(0);
  expect(collect.errors).not.toContain("a-token");
  rmSync(folder, { recursive: true });
});
