import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../support/kafka.ts";

/** Who is scraped, with the labels that Prometheus' operator gives to pods. */
export interface Target {
  readonly address: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** An alert as Prometheus tells it. */
export interface ActiveAlert {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly state: "pending" | "firing";
}

/** Twice a second, so that a minute of rules can be half a second. */
const INTERVAL = "500ms";

/** A real Prometheus on loopback that scrapes targets and judges rules. */
export class Prometheus {
  private readonly folder: string;
  private readonly child: ChildProcess;
  private readonly base: string;

  private constructor(folder: string, child: ChildProcess, port: number) {
    this.folder = folder;
    this.child = child;
    this.base = `http://127.0.0.1:${port}`;
  }

  static async start(targets: readonly Target[], groups: readonly object[]): Promise<Prometheus> {
    const port = await freePort();
    const folder = mkdtempSync(join(tmpdir(), "rejoin-prometheus-"));
    // JSON is YAML.
    writeFileSync(join(folder, "rules.yml"), JSON.stringify({ groups }));
    writeFileSync(
      join(folder, "prometheus.yml"),
      JSON.stringify({
        global: { scrape_interval: INTERVAL, scrape_timeout: INTERVAL, evaluation_interval: INTERVAL },
        rule_files: ["rules.yml"],
        scrape_configs: [
          {
            job_name: "rejoin-collector",
            static_configs: targets.map(({ address, labels }) => ({ targets: [address], labels })),
          },
        ],
      }),
    );
    const log = openSync(join(folder, "log"), "w");
    const args = [
      "--config.file=prometheus.yml",
      "--storage.tsdb.path=data",
      `--web.listen-address=127.0.0.1:${port}`,
      // Or it looks for five seconds as if nobody were there.
      "--scrape.discovery-reload-interval=100ms",
    ];
    const child = spawn("prometheus", args, { cwd: folder, stdio: ["ignore", log, log] });
    const prometheus = new Prometheus(folder, child, port);
    try {
      await prometheus.ready();
    } catch (error) {
      await prometheus.stop();
      throw error;
    }
    return prometheus;
  }

  private async ready(): Promise<void> {
    for (let waits = 0; waits < 300 && this.child.exitCode === null; waits++) {
      const response = await fetch(`${this.base}/-/ready`).catch(() => null);
      if (response?.ok) return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`prometheus does not come up:\n${readFileSync(join(this.folder, "log"), "utf8")}`);
  }

  private async get(path: string): Promise<unknown> {
    const answer = (await (await fetch(`${this.base}/api/v1/${path}`)).json()) as { error?: string; data: unknown };
    if (answer.error !== undefined) throw new Error(`${path}: ${answer.error}`);
    return answer.data;
  }

  /** Alerts that are pending or firing. */
  async alerts(): Promise<ActiveAlert[]> {
    return ((await this.get("alerts")) as { alerts: ActiveAlert[] }).alerts;
  }

  /** How many series a query has now; throws what Prometheus says of one that it does not understand. */
  async series(expr: string): Promise<number> {
    const data = (await this.get(`query?query=${encodeURIComponent(expr)}`)) as { result: unknown[] };
    return data.result.length;
  }

  async stop(): Promise<void> {
    if (this.child.exitCode === null) {
      const closed = once(this.child, "close");
      this.child.kill("SIGTERM");
      await closed;
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}
