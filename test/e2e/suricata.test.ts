import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { capturePath, copiesOf } from "../support/copies.ts";
import { needs, titled } from "../support/requirements.ts";
import { ADVISED, rule, type SuricataEvent } from "../support/suricata.ts";
import { Collect, send } from "./collect.ts";

const SESSIONS = 450;
const noSuricata = needs("suricata");

/** Suricata as it waits for captures in a directory, and deletes what it has read. */
function waiting(captures: string, log: string): ChildProcess {
  writeFileSync(join(log, "test.rules"), rule(1, Buffer.from("GET /")));
  const settings = { ...ADVISED, "pcap-file.delay": "1" };
  const set = Object.entries(settings).flatMap(([key, value]) => ["--set", `${key}=${value}`]);
  const how = ["--pcap-file-continuous", "--pcap-file-delete", "-k", "all", "--runmode", "single"];
  const words = ["-r", captures, ...how, "-S", join(log, "test.rules"), "-l", log, ...set];
  return spawn("suricata", words, { stdio: "ignore" });
}

const count = (events: readonly SuricataEvent[], type: string): number =>
  events.filter(({ event_type }) => event_type === type).length;

test.skipIf(noSuricata)(
  titled("Suricata sees every session that a collector tells again as it comes", noSuricata),
  async () => {
    const parent = mkdtempSync(join(tmpdir(), "rejoin-suricata-"));
    onTestFinished(() => rmSync(parent, { recursive: true, force: true }));
    const [captures, log] = [join(parent, "whole"), join(parent, "log")];
    const config = join(parent, "collector.json");
    writeFileSync(config, JSON.stringify({ plainTcp: { directory: captures, rotateSeconds: 1 } }));
    mkdirSync(log);
    const collect = new Collect("--config", config, "--sink", "stdout", "--revisions", "ended");
    const port = await collect.port();
    const detector = waiting(captures, log);
    onTestFinished(() => void detector.kill("SIGKILL"));

    await send(await copiesOf(["http-many/router1.pcap.gz", "http-many/router2.pcap.gz"].map(capturePath)), port);
    collect.kill("SIGTERM");
    expect(await collect.ended()).toBe(0);
    const records = collect.output.split("\n").filter((line) => line.includes('"session-ended"'));
    expect(records).toHaveLength(SESSIONS);

    const taken = () => existsSync(captures) && readdirSync(captures).every((name) => name === "unfinished");
    await vi.waitFor(() => expect(taken()).toBe(true), { timeout: 60_000, interval: 200 });
    detector.kill("SIGTERM");
    await once(detector, "close");
    const lines = readFileSync(join(log, "eve.json"), "utf8").split("\n").filter(Boolean);
    const events = lines.map((line) => JSON.parse(line) as SuricataEvent);
    expect(["flow", "http", "alert", "anomaly"].map((type) => count(events, type))).toEqual([
      ...[SESSIONS, SESSIONS, SESSIONS],
      0,
    ]);
    const ids = records.map((line) => JSON.parse(line).network.community_id);
    expect(new Set(events.flatMap((event) => (event.event_type === "alert" ? [event.community_id] : [])))).toEqual(
      new Set(ids),
    );
  },
);
