import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../support/kafka.ts";
import { CACHE } from "../support/tools/cache.ts";
import { OPERATOR_KINDS } from "../support/tools/tools.ts";

/** How a program ended, and all that it said. */
export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** What of a pod is looked at. */
export interface Pod {
  readonly metadata: { readonly name: string; readonly uid: string; readonly annotations: Record<string, string> };
  readonly spec: { readonly nodeName?: string };
  readonly status: { readonly phase: string };
}

const READY_MS = 90_000;

/** Asks until the answer is one, at most for `ms`; returns undefined then. */
export async function until<T>(ms: number, ask: () => T | undefined): Promise<T | undefined> {
  const end = performance.now() + ms;
  for (;;) {
    const answer = ask();
    if (answer !== undefined || performance.now() > end) return answer;
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
}

const node = (name: string) => ({
  apiVersion: "v1",
  kind: "Node",
  metadata: { name, labels: { "kubernetes.io/hostname": name, "kubernetes.io/os": "linux" } },
  status: {
    allocatable: { cpu: "8", memory: "16Gi", pods: "110" },
    capacity: { cpu: "8", memory: "16Gi", pods: "110" },
  },
});

/**
 * Kubernetes' own API server, controllers and scheduler on loopback, with Pod Security admission; nodes are kwok's: their
 * pods come to be Running and their claims Bound, and no process runs.
 */
export class Cluster {
  private readonly folder = mkdtempSync(join(tmpdir(), "rejoin-kubernetes-"));
  private readonly children: { readonly name: string; readonly child: ChildProcess }[] = [];
  private readonly env: NodeJS.ProcessEnv;
  private readonly ports: readonly number[];

  private constructor(ports: readonly number[]) {
    this.ports = ports;
    // Of helm too: nothing of the user's is read or written.
    this.env = {
      ...process.env,
      KUBECONFIG: join(this.folder, "kubeconfig"),
      HELM_CONFIG_HOME: this.folder,
      HELM_CACHE_HOME: this.folder,
      HELM_DATA_HOME: this.folder,
    };
  }

  /** Starts one with these nodes; throws with the last lines of the program that does not come up. */
  static async start(...nodes: readonly string[]): Promise<Cluster> {
    const cluster = new Cluster(await Promise.all(Array.from({ length: 6 }, freePort)));
    try {
      await cluster.up(nodes);
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  private run(name: string, ...args: readonly string[]): void {
    const log = openSync(join(this.folder, `${name}.log`), "w");
    const child = spawn(name, args, { cwd: this.folder, env: this.env, stdio: ["ignore", log, log] });
    this.children.push({ name, child });
  }

  private async up(nodes: readonly string[]): Promise<void> {
    const [etcdPort, peerPort, apiPort, managerPort, schedulerPort, kwokPort] = this.ports;
    const token = randomBytes(16).toString("hex");
    writeFileSync(join(this.folder, "tokens.csv"), `${token},admin,admin,system:masters\n`);
    writeFileSync(
      join(this.folder, "kubeconfig"),
      JSON.stringify({
        apiVersion: "v1",
        kind: "Config",
        "current-context": "test",
        contexts: [{ name: "test", context: { cluster: "test", user: "admin" } }],
        clusters: [
          { name: "test", cluster: { server: `https://127.0.0.1:${apiPort}`, "insecure-skip-tls-verify": true } },
        ],
        users: [{ name: "admin", user: { token } }],
      }),
    );
    const key = spawnSync("openssl", ["genrsa", "-out", "sa.key", "2048"], { cwd: this.folder });
    if (key.status !== 0) throw new Error("needs openssl");

    const etcd = `http://127.0.0.1:${etcdPort}`;
    this.run(
      "etcd",
      ...["--data-dir", "etcd", "--unsafe-no-fsync", "--listen-client-urls", etcd, "--advertise-client-urls", etcd],
      ...["--listen-peer-urls", `http://127.0.0.1:${peerPort}`],
    );
    this.run(
      "kube-apiserver",
      ...["--etcd-servers", etcd, "--bind-address", "127.0.0.1", "--advertise-address", "127.0.0.1"],
      ...["--secure-port", String(apiPort), "--cert-dir", "certs", "--token-auth-file", "tokens.csv"],
      ...["--authorization-mode", "Node,RBAC", "--allow-privileged", "--endpoint-reconciler-type", "none"],
      ...["--service-cluster-ip-range", "10.96.0.0/24", "--service-account-issuer", "https://kubernetes.default.svc"],
      ...["--service-account-key-file", "sa.key", "--service-account-signing-key-file", "sa.key"],
    );
    await this.ready("kube-apiserver", "get", "--raw", "/readyz");
    const client = ["--kubeconfig", "kubeconfig", "--bind-address", "127.0.0.1", "--leader-elect=false"];
    this.run("kube-scheduler", ...client, "--secure-port", String(schedulerPort));
    this.run(
      "kube-controller-manager",
      ...[...client, "--secure-port", String(managerPort), "--use-service-account-credentials"],
      ...["--service-account-private-key-file", "sa.key"],
    );
    this.run(
      "kwok",
      ...["--kubeconfig", "kubeconfig", "--manage-all-nodes=true", "--config", join(CACHE, "stages.yaml")],
      ...["--node-lease-duration-seconds", "40", "--server-address", `127.0.0.1:${kwokPort}`],
    );
    this.must("apply", "-f", join(CACHE, "storage-class.yaml"));
    for (const kind of OPERATOR_KINDS) {
      this.must("create", "-f", join(CACHE, "definitions", `${kind}.json`));
    }
    for (const name of nodes) this.apply(node(name));
    await this.ready("kube-controller-manager", "-n", "default", "get", "serviceaccount", "default");
    await this.ready("kwok", "wait", "--for=condition=Ready", "node", "--all", "--timeout=1s");
  }

  private async ready(name: string, ...args: readonly string[]): Promise<void> {
    if (await until(READY_MS, () => (this.kubectl(...args).status === 0 ? true : undefined))) return;
    const log = readFileSync(join(this.folder, `${name}.log`), "utf8");
    throw new Error(`${name} does not come up:\n${log.split("\n").slice(-15).join("\n")}`);
  }

  private call(program: string, args: readonly string[], input?: string): Ended {
    const { status, stdout, stderr } = spawnSync(program, args, {
      env: this.env,
      encoding: "utf8",
      maxBuffer: 1 << 26,
      ...(input === undefined ? {} : { input }),
    });
    return { status, stdout, stderr };
  }

  kubectl(...args: readonly string[]): Ended {
    return this.call("kubectl", args);
  }

  helm(...args: readonly string[]): Ended {
    return this.call("helm", args);
  }

  /** What the API server says to objects without keeping them: validation, defaults and admission. */
  dryRun(namespace: string, objects: string): Ended {
    return this.call("kubectl", ["--namespace", namespace, "apply", "--dry-run=server", "-f", "-"], objects);
  }

  /** Runs kubectl; throws what it says where it fails. */
  must(...args: readonly string[]): string {
    const { status, stdout, stderr } = this.kubectl(...args);
    if (status !== 0) throw new Error(`kubectl ${args.join(" ")}: ${stderr}`);
    return stdout;
  }

  apply(object: object): void {
    const { status, stderr } = this.call("kubectl", ["apply", "-f", "-"], JSON.stringify(object));
    if (status !== 0) throw new Error(stderr);
  }

  /** Makes a namespace that enforces a profile of the Pod Security Standards. */
  namespace(name: string, profile: "restricted" | "privileged"): void {
    this.must("create", "namespace", name);
    this.must("label", "namespace", name, `pod-security.kubernetes.io/enforce=${profile}`);
  }

  /** All objects of a kind in a namespace. */
  objects<T>(namespace: string, kind: string, ...more: readonly string[]): T[] {
    return JSON.parse(this.must("--namespace", namespace, "get", kind, "-o", "json", ...more)).items;
  }

  /** The pods of a component of the chart, by name. */
  pods(namespace: string, component: string): Pod[] {
    const pods = this.objects<Pod>(namespace, "pods", "-l", `app.kubernetes.io/component=${component}`);
    return pods.sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  }

  /** Messages of events with this reason. */
  events(namespace: string, reason: string): string[] {
    const events = this.objects<{ reason: string; message: string }>(namespace, "events");
    return events.filter((event) => event.reason === reason).map(({ message }) => message);
  }

  /** Ends everything, etcd last: without it the API server would not end. */
  async stop(): Promise<void> {
    for (const { child } of this.children.reverse()) {
      if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) continue;
      const closed = once(child, "close");
      child.kill("SIGTERM");
      const late = setTimeout(() => child.kill("SIGKILL"), 30_000);
      await closed;
      clearTimeout(late);
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}
