import { spawnSync } from "node:child_process";
import { chownSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SESSION_DATASET } from "../../schema/session-vocabulary.ts";
import { needs, titled } from "../support/requirements.ts";
import { buildImage, Container, filesOfImage, IMAGE, prepareBase, runConfined } from "./engine.ts";

const CONFIGURATION = {
  agents: [{ name: "router1", keys: [1] }],
  listen: { udp: ["127.0.0.1:4754"] },
  sink: { kind: "files" },
  admin: { listen: 9464 },
};
const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const USER = 10_001;
const CAPTURES = "/opt/rejoin/collectors/demo/captures";
const SOON_MS = 30_000;

async function until(isSo: () => boolean): Promise<boolean> {
  for (const end = performance.now() + SOON_MS; performance.now() < end; ) {
    if (isSo()) return true;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return false;
}

const reason = needs("root", "buildah", "podman", "runc", "mmdebstrap");
describe.skipIf(reason)(titled("the image", reason), () => {
  const folder = mkdtempSync(join(tmpdir(), "rejoin-image-"));
  let layers: string[];
  let collector: Container | undefined;

  beforeAll(() => {
    process.stdout.write(`base: the ${prepareBase()} one\n`);
    layers = buildImage();
    for (const name of ["etc", "var"]) mkdirSync(join(folder, name));
    writeFileSync(join(folder, "etc/collector.yaml"), JSON.stringify(CONFIGURATION));
    chownSync(join(folder, "var"), USER, USER);
  });
  afterAll(() => {
    collector?.remove();
    rmSync(folder, { recursive: true });
  });

  it("is one layer, the same when it is built again", () => {
    expect(layers.length).toBe(1);
    expect(buildImage("localhost/rejoin:again")).toEqual(layers);
  });

  it("has no shell, compiler or package manager, and no program to become root", () => {
    const files = filesOfImage();
    expect(files).toContain("usr/local/bin/node");
    const programs =
      /(^|\/)(sh|bash|dash|busybox|npm|npx|apt|apt-get|dpkg|gcc|g\+\+|cc|make|python3?|perl|su|sudo|mount)$/;
    expect(files.filter((name) => programs.test(name))).toEqual([]);
  });

  it("has no package that the bill of materials does not name", () => {
    const { stdout } = spawnSync("node", [".ci/sbom.mjs"], { cwd: ROOT, encoding: "utf8" });
    const named = new Set((JSON.parse(stdout).components as { name: string }[]).map(({ name }) => name));
    const inside = filesOfImage().flatMap((path) => {
      const [, name] = /node_modules\/((?:@[^/]+\/)?[^/@]+)\/package\.json$/.exec(path) ?? [];
      return name === undefined ? [] : [name];
    });
    expect(inside).toContain("zod");
    expect(inside.filter((name) => !named.has(name))).toEqual([]);
  });

  it("runs without a network, a capability or a place to write", () => {
    const { status, stdout } = runConfined("--network", "none", IMAGE, "--version");
    expect([status, stdout]).toEqual([0, expect.stringMatching(/^\d+\.\d+\.\d+\n$/)]);
  });

  it("is ended where it takes more memory than it may", () => {
    const greedy = "const all = []; for (;;) all.push(Buffer.alloc(1 << 24, 1));";
    const { status } = runConfined("--network", "none", "--entrypoint", "/usr/local/bin/node", IMAGE, "-e", greedy);
    expect(status).toBe(137);
  });

  it("has a collector that is confined, well, and receives what an agent of the same image sends", async () => {
    const mounts = ["-v", `${join(folder, "etc")}:/etc/rejoin:ro`, "-v", `${join(folder, "var")}:/var/lib/rejoin`];
    collector = new Container("rejoin-collector", ["--network", "none", ...mounts], []);
    const { name } = collector;
    const running = collector;
    expect(await until(() => running.health() === 0)).toBe(true);

    const status = running.evaluate('process.stdout.write(require("fs").readFileSync("/proc/1/status", "utf8"))');
    expect(status).toMatch(/^Uid:\t10001\t10001\t10001\t10001$/m);
    expect(status).toMatch(/^CapBnd:\t0+$/m);
    expect(status).toMatch(/^NoNewPrivs:\t1$/m);
    expect(running.evaluate('require("fs").writeFileSync("/opt/there", "")')).toContain("EROFS");

    const replay = ["--replay", `${CAPTURES}/router1.pcap.gz`, `${CAPTURES}/router2.pcap.gz`, "--speed", "4"];
    const agent = ["agent", "--collector", "127.0.0.1", "--key", "1", ...replay];
    const { status: ended, stderr } = runConfined("--network", `container:${name}`, IMAGE, ...agent);
    expect([ended, stderr]).toEqual([0, expect.stringContaining("ended")]);
    const page = (path: string) =>
      running.evaluate(
        `fetch("http://127.0.0.1:9464${path}").then((r) => r.text()).then((t) => process.stdout.write(t))`,
      );
    expect(page("/readyz")).toMatch(/^yes\n/);
    const metrics = page("/metrics");
    const received = /^rejoin_agent_packets_total{agent="router1"} (\d+)$/m.exec(metrics)?.[1];
    expect(Number(received)).toBeGreaterThan(10_000);

    expect(running.stop()).toBe(0);
    const records = readdirSync(join(folder, "var/rejoin-records")).filter((file) =>
      file.startsWith("rejoin.sessions"),
    );
    const sessions = records
      .flatMap((file) =>
        readFileSync(join(folder, "var/rejoin-records", file), "utf8")
          .trim()
          .split("\n"),
      )
      .map((line) => JSON.parse(line))
      .filter(({ event }) => event.dataset === SESSION_DATASET && event.action === "session-ended");
    expect(new Set(sessions.map(({ mptcp }) => mptcp.session.id)).size).toBe(6);
  });
});
