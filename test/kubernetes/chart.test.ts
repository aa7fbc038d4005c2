import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { VERSIONS } from "../support/tools/versions.ts";
import { Cluster, until } from "./cluster.ts";

const CHART = fileURLToPath(new URL("../../helm/rejoin", import.meta.url));
const EXAMPLES = fileURLToPath(new URL("../helm/examples/", import.meta.url));
const SOON_MS = 30_000;

const NODES = ["edge-0", "edge-1"];
const values = (example: string) => ["--values", `${EXAMPLES}${example}.yaml`];
/** Secrets, classes and balancers of the example are not here. */
const KAFKA = [...values("kafka"), "--set", "collector.service.type=NodePort,collector.storage.storageClass="];

let cluster: Cluster;
beforeAll(async () => {
  cluster = await Cluster.start(...NODES);
  cluster.must("create", "priorityclass", "observation", "--value", "1000");
  cluster.namespace("restricted", "restricted");
  cluster.namespace("privileged", "privileged");
});
afterAll(() => cluster?.stop());

const install = (namespace: string, release: string, ...args: readonly string[]) =>
  cluster.helm("install", release, CHART, "--namespace", namespace, "--wait", "--timeout", "60s", ...args);

const rendered = (namespace: string, ...args: readonly string[]) => {
  const { status, stdout, stderr } = cluster.helm("template", "rejoin", CHART, "--namespace", namespace, ...args);
  expect([status, stderr]).toEqual([0, ""]);
  return stdout;
};

/** Waits until no pod of the component is left. */
const gone = (namespace: string, component: string) =>
  until(SOON_MS, () => (cluster.pods(namespace, component).length === 0 ? true : undefined));

describe("an API server", () => {
  it.each(readdirSync(EXAMPLES))("takes every object of %s as it is", (example) => {
    const objects = rendered("privileged", "--values", `${EXAMPLES}${example}`);
    const { status, stdout, stderr } = cluster.dryRun("privileged", objects);
    expect([status, stderr]).toEqual([0, ""]);
    expect(stdout.match(/created \(server dry run\)$/gm)?.length).toBe(objects.match(/^kind: /gm)?.length);
  });
});

describe("collectors in a namespace that enforces the restricted profile", () => {
  const claims = () => cluster.objects<{ metadata: { name: string }; status: { phase: string } }>("restricted", "pvc");

  it("are installed: as many pods as asked for, each with its volume and behind its service", async () => {
    const { status, stderr } = install("restricted", "rejoin", ...KAFKA);
    expect([status, stderr]).toEqual([0, ""]);
    const pods = cluster.pods("restricted", "collector");
    expect(pods.map(({ metadata, status }) => [metadata.name, status.phase])).toEqual([
      ["rejoin-collector-0", "Running"],
      ["rejoin-collector-1", "Running"],
    ]);
    expect(cluster.events("restricted", "FailedCreate")).toEqual([]);
    expect(claims().map(({ metadata, status }) => [metadata.name, status.phase])).toEqual([
      ["records-rejoin-collector-0", "Bound"],
      ["records-rejoin-collector-1", "Bound"],
    ]);
    for (const { metadata } of pods) {
      const name = metadata.name;
      const behind = await until(SOON_MS, () => {
        const slices = cluster.objects<{ endpoints: { targetRef: { name: string } }[] | null }>(
          "restricted",
          "endpointslices",
          ...["-l", `kubernetes.io/service-name=${name}`],
        );
        const names = slices.flatMap(({ endpoints }) => endpoints ?? []).map(({ targetRef }) => targetRef.name);
        return names.length > 0 ? names : undefined;
      });
      expect(behind).toEqual([name]);
    }
  });

  it("keep the address of whoever sends", () => {
    const services = cluster.objects<{ spec: { type: string; externalTrafficPolicy?: string } }>(
      "restricted",
      "services",
      ...["-l", "app.kubernetes.io/component=copies"],
    );
    expect(services.map(({ spec }) => [spec.type, spec.externalTrafficPolicy])).toEqual([
      ["NodePort", "Local"],
      ["NodePort", "Local"],
    ]);
  });

  it("are drained one at a time", async () => {
    type Budget = { status: { expectedPods: number; disruptionsAllowed: number } };
    const found = await until(SOON_MS, () => {
      const [budget] = cluster.objects<Budget>("restricted", "poddisruptionbudgets");
      return budget?.status.expectedPods === 2 ? budget.status.disruptionsAllowed : undefined;
    });
    expect(found).toBe(1);
  });

  it("may ask the API server for nothing", () => {
    const who = "system:serviceaccount:restricted:rejoin";
    for (const what of ["get secrets", "list pods", "create pods", "get configmaps"]) {
      const { stdout } = cluster.kubectl("-n", "restricted", "auth", "can-i", ...what.split(" "), "--as", who);
      expect([what, stdout.trim()]).toEqual([what, "no"]);
    }
  });

  it("are other pods after an upgrade of the configuration, on the same volumes", () => {
    const before = cluster.pods("restricted", "collector");
    const volumes = () => cluster.objects<{ spec: { volumeName: string } }>("restricted", "pvc");
    const were = volumes().map(({ spec }) => spec.volumeName);
    const change = ["--set", "collector.config.shutdown.drainSeconds=20"];
    const upgrade = ["upgrade", "rejoin", CHART, "--namespace", "restricted", "--wait", "--timeout", "90s"];
    const { status, stderr } = cluster.helm(...upgrade, ...KAFKA, ...change);
    expect([status, stderr]).toEqual([0, ""]);
    const after = cluster.pods("restricted", "collector");
    expect(after.map(({ metadata }) => metadata.name)).toEqual(before.map(({ metadata }) => metadata.name));
    for (const [i, { metadata }] of after.entries()) expect(metadata.uid).not.toBe(before[i]?.metadata.uid);
    expect(volumes().map(({ spec }) => spec.volumeName)).toEqual(were);
  });

  it("have what they had before after a rollback", () => {
    const checksums = () =>
      cluster.pods("restricted", "collector").map(({ metadata }) => metadata.annotations["checksum/config"]);
    const upgraded = checksums();
    const back = ["rollback", "rejoin", "1", "--namespace", "restricted", "--wait", "--timeout", "90s"];
    const { status, stderr } = cluster.helm(...back);
    expect([status, stderr]).toEqual([0, ""]);
    expect(new Set([...upgraded, ...checksums()]).size).toBe(2);
    const [map] = cluster.objects<{ data: Record<string, string> }>(
      "restricted",
      "configmaps",
      ...["-l", "app.kubernetes.io/component=collector"],
    );
    expect(map?.data["collector.yaml"]).toContain("drainSeconds: 30");
  });

  it("leave their claims when they are uninstalled, and nothing else", async () => {
    expect(cluster.helm("uninstall", "rejoin", "--namespace", "restricted", "--wait").status).toBe(0);
    expect(await gone("restricted", "collector")).toBe(true);
    const left = cluster.must(
      ...["-n", "restricted", "get", "all,cm,sa,netpol,pdb,podmonitors,servicemonitors,prometheusrules", "-o", "name"],
      ...["-l", "app.kubernetes.io/instance=rejoin"],
    );
    expect(left).toBe("");
    expect(claims().length).toBe(2);
  });
});

describe("agents and collectors on nodes' networks, in a namespace that lets them", () => {
  it("are an agent on every node", () => {
    const { status, stderr } = install("privileged", "rejoin", ...values("agents"));
    expect([status, stderr]).toEqual([0, ""]);
    const on = cluster.pods("privileged", "agent").map(({ spec }) => spec.nodeName);
    expect(on.sort()).toEqual(NODES);
    expect(cluster.helm("uninstall", "rejoin", "--namespace", "privileged", "--wait").status).toBe(0);
  });

  it("are one collector for native GRE", () => {
    const { status, stderr } = install("privileged", "gre", ...values("native-gre"));
    expect([status, stderr]).toEqual([0, ""]);
    expect(cluster.pods("privileged", "collector").map(({ status }) => status.phase)).toEqual(["Running"]);
    expect(cluster.helm("uninstall", "gre", "--namespace", "privileged", "--wait").status).toBe(0);
  });
});

describe("mistakes", () => {
  const some = ["--set", "collector.config.anyAgent=true"];

  it("of a value are refused by the chart's schema", () => {
    const { status, stderr } = install("restricted", "wrong", ...some, "--set", "collector.storage.size=1Gb");
    expect([status, stderr]).toEqual([1, expect.stringContaining("/collector/storage/size")]);
  });

  it("of a size are refused by the API server, too", () => {
    const unchecked = ["--skip-schema-validation", "--set", "collector.storage.size=1Gb"];
    const { status, stderr } = cluster.dryRun("restricted", rendered("restricted", ...some, ...unchecked));
    expect([status, stderr]).toEqual([1, expect.stringContaining("quantities must match")]);
  });

  it("of a field that the chart hands on are refused by the API server", () => {
    const misspelt = ["--set-json", 'collector.extraEnv=[{"name":"A","valeu":"1"}]'];
    const { status, stderr } = cluster.dryRun("restricted", rendered("restricted", ...some, ...misspelt));
    expect([status, stderr]).toEqual([1, expect.stringMatching(/unknown field "spec.+valeu"/)]);
  });

  it("of a node that is not there end an installation that waits", () => {
    const nowhere = ["--set", "collector.nodeSelector.zone=nowhere", "--timeout", "8s"];
    const { status } = install("restricted", "nowhere", ...some, ...nowhere);
    expect([status, cluster.pods("restricted", "collector").map(({ status }) => status.phase)]).toEqual([
      1,
      ["Pending"],
    ]);
    expect(cluster.helm("uninstall", "nowhere", "--namespace", "restricted", "--wait").status).toBe(0);
  });

  it("of a namespace that forbids agents leave it without one, and say so", async () => {
    expect(cluster.helm("install", "agents", CHART, "--namespace", "restricted", ...values("agents")).status).toBe(0);
    const refused = await until(SOON_MS, () =>
      cluster.events("restricted", "FailedCreate").find((m) => m.includes("agent")),
    );
    expect(refused).toMatch(/violates PodSecurity "restricted:latest": host namespaces \(hostNetwork=true\)/);
    expect(cluster.pods("restricted", "agent")).toEqual([]);
    expect(cluster.pods("restricted", "collector").length).toBe(2);
    expect(cluster.helm("uninstall", "agents", "--namespace", "restricted", "--wait").status).toBe(0);
  });

  it("of a second collector on a node's ports leave it Pending", async () => {
    expect(install("privileged", "first", ...values("native-gre")).status).toBe(0);
    const { status } = install("privileged", "second", ...values("native-gre"), "--timeout", "8s");
    const phases = cluster.pods("privileged", "collector").map(({ status }) => status.phase);
    expect([status, phases]).toEqual([1, ["Running", "Pending"]]);
    for (const release of ["first", "second"]) {
      expect(cluster.helm("uninstall", release, "--namespace", "privileged", "--wait").status).toBe(0);
    }
  });

  it("of a volume changed by an upgrade are refused, and the collector stays", () => {
    expect(install("restricted", "rejoin", ...some).status).toBe(0);
    const [before] = cluster.pods("restricted", "collector");
    const larger = [
      "upgrade",
      "rejoin",
      CHART,
      "--namespace",
      "restricted",
      ...some,
      "--set",
      "collector.storage.size=32Gi",
    ];
    const { status, stderr } = cluster.helm(...larger);
    expect([status, stderr]).toEqual([1, expect.stringContaining("spec.volumeClaimTemplates: Invalid value")]);
    expect(cluster.pods("restricted", "collector").map(({ metadata }) => metadata.uid)).toEqual([before?.metadata.uid]);
    // As docs/kubernetes.md says it is done.
    cluster.must("-n", "restricted", "delete", "statefulset", "rejoin-collector", "--cascade=orphan");
    expect(cluster.helm(...larger, "--wait", "--timeout", "60s").status).toBe(0);
    expect(cluster.helm("uninstall", "rejoin", "--namespace", "restricted", "--wait").status).toBe(0);
  });
});

it("the programs are those that were asked for", () => {
  const { stdout } = spawnSync("kubectl", ["version", "--client"], { encoding: "utf8" });
  expect(stdout).toContain(`Client Version: v${VERSIONS.kubernetes}`);
});
