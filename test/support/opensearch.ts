import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort } from "./kafka.ts";
import { needs } from "./requirements.ts";

const SOURCES = fileURLToPath(new URL("opensearch/", import.meta.url));
const HOME = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "rejoin-opensearch-2.19.6");
const START_MS = 110_000;

/** Fetches the jars and compiles the node where that was not done. Returns why it cannot be had; undefined when it can. */
export function openSearchMissing(): string | undefined {
  const reason = needs("Java 17", "javac", "mvn");
  if (reason !== undefined || existsSync(join(HOME, "ready"))) return reason;
  mkdirSync(HOME, { recursive: true });
  const maven = ["-q", "-B", "-f", SOURCES, "dependency:copy-dependencies", `-DoutputDirectory=${join(HOME, "lib")}`];
  const run = (program: string, args: string[]) => spawnSync(program, args, { timeout: 110_000 }).status === 0;
  if (!run("mvn", maven)) return "needs OpenSearch's jars from Maven";
  if (!run("javac", ["-cp", join(HOME, "lib/*"), "-d", HOME, join(SOURCES, "Embedded.java")]))
    return "needs javac to work";
  writeFileSync(join(HOME, "ready"), "");
  return undefined;
}

/** A real OpenSearch of one node on loopback, its data in a folder of its own. */
export class OpenSearch {
  private readonly url: string;
  private readonly child: ChildProcess;
  private readonly data: string;

  private constructor(url: string, child: ChildProcess, data: string) {
    this.url = url;
    this.child = child;
    this.data = data;
  }

  static async start(): Promise<OpenSearch> {
    const data = mkdtempSync(join(tmpdir(), "rejoin-opensearch-"));
    const port = await freePort();
    const args = ["-Xmx512m", "-cp", `${join(HOME, "lib/*")}:${HOME}`, "Embedded", data, String(port)];
    const child = spawn("java", args, { stdio: ["pipe", "ignore", "pipe"] });
    let said = "";
    child.stderr?.on("data", (text) => {
      said = (said + text).slice(-4000);
    });
    const node = new OpenSearch(`http://127.0.0.1:${port}`, child, data);
    const end = Date.now() + START_MS;
    while (!(await node.answers())) {
      if (Date.now() > end || child.exitCode !== null) throw new Error(`OpenSearch does not start: ${said}`);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    return node;
  }

  /** Sends a request and returns the answer's JSON. Throws for any status but 200 and 201. */
  async ask(method: string, path: string, body: string): Promise<Record<string, unknown>> {
    const headers = { "content-type": path.includes("_bulk") ? "application/x-ndjson" : "application/json" };
    const answer = await fetch(`${this.url}${path}`, { method, headers, ...(body === "" ? {} : { body }) });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${text}`);
    return JSON.parse(text);
  }

  async stop(): Promise<void> {
    if (this.child.exitCode === null) {
      const ended = once(this.child, "exit");
      this.child.stdin?.end();
      await ended;
    }
    rmSync(this.data, { recursive: true, force: true });
  }

  private async answers(): Promise<boolean> {
    return this.ask("GET", "/_cluster/health", "").then(
      () => true,
      () => false,
    );
  }
}
