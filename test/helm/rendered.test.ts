import { spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import type { z } from "zod";
import { PROGRAMS } from "../../schema/configuration/programs.ts";
import { needs, titled } from "../support/requirements.ts";
import { kubernetesSchemas } from "../support/tools/cache.ts";
import { dashboard } from "./dashboard/dashboard.ts";
import { departures } from "./pod-security.ts";
import { CHART, EXAMPLES, helm, KUBERNETES, objects, template } from "./render.ts";

const examples = readdirSync(EXAMPLES);
const folder = mkdtempSync(join(tmpdir(), "rejoin-helm-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const reason = needs("helm");
describe.skipIf(reason)(titled("the chart, rendered", reason), () => {
  // `npx vitest run test/helm/rendered.test.ts --update` keeps what it is now; look at the difference.
  it.each(examples)("%s is as it was", async (example) => {
    const { stdout, stderr, status } = template("--values", `${EXAMPLES}${example}`);
    expect([status, stderr]).toEqual([0, ""]);
    await expect(stdout).toMatchFileSnapshot(`rendered/${example}`);
  });

  it.each(examples)("%s passes helm lint --strict", (example) => {
    const { stdout, status } = helm("lint", "--strict", CHART, ...KUBERNETES, "--values", `${EXAMPLES}${example}`);
    expect([status, /\[(WARNING|ERROR)\].*/.exec(stdout)?.[0]]).toEqual([0, undefined]);
  });

  it.each(examples)("%s configures programs with what they take", (example) => {
    const files = objects(example, "ConfigMap")
      .flatMap(({ data }) => Object.entries(data ?? {}))
      .filter(([file]) => file.endsWith(".yaml"));
    expect(files.length).toBeGreaterThan(0);
    for (const [file, text] of files) {
      const { schema, faults } = PROGRAMS[file === "agent.yaml" ? "agent" : "collector"] as unknown as {
        schema: z.ZodType;
        faults: (values: unknown) => unknown[];
      };
      const { data, error } = schema.safeParse(parse(text));
      expect(error).toBeUndefined();
      expect(faults(data)).toEqual([]);
    }
  });

  it.each(["docs/kubernetes.md", "helm/rejoin/README.md"])("%s shows values that it takes", (page) => {
    const text = readFileSync(new URL(`../../${page}`, import.meta.url), "utf8");
    const blocks = [...text.matchAll(/^```yaml\n([\s\S]*?)^```$/gm)].map(([, block = ""]) => block);
    expect(blocks.length).toBeGreaterThan(0);
    for (const block of blocks) {
      const file = join(folder, "values.yaml");
      writeFileSync(file, block);
      const { status, stderr } = template("--values", `${EXAMPLES}smallest.yaml`, "--values", file);
      expect([status, stderr]).toEqual([0, ""]);
    }
  });

  it("writes numbers as they are", () => {
    const [map] = objects("kafka.yaml", "ConfigMap");
    const { agents, agentPacketsPerSecond, sink } = parse(map?.data?.["collector.yaml"] ?? "");
    expect(agents[0].keys).toEqual([4_294_967_295]);
    expect(agentPacketsPerSecond).toBe(1_000_000);
    expect(sink.kafka.sasl.passwordFile).toBe("/run/secrets/rejoin-kafka/password");
  });

  const podOf = (example: string, kind: string) => objects(example, kind).map(({ spec }) => spec.template.spec);

  it("keeps to the restricted profile, and departs from it for packets of the node alone", () => {
    for (const example of ["smallest.yaml", "kafka.yaml", "agents.yaml"]) {
      expect(podOf(example, "StatefulSet").map(departures)).toEqual([[]]);
    }
    expect(podOf("native-gre.yaml", "StatefulSet").map(departures)).toEqual([["hostNetwork", "root", "NET_RAW"]]);
    expect(podOf("agents.yaml", "DaemonSet").map(departures)).toEqual([["hostNetwork", "root", "NET_RAW"]]);
  });

  it("gives each collector a service, and agents all of them", () => {
    const services = objects("agents.yaml", "Service").map(({ metadata }) => metadata.name);
    expect(services).toEqual(["rejoin-collector", "rejoin-collector-0", "rejoin-collector-1"]);
    const maps = objects("agents.yaml", "ConfigMap").map(({ data }) => data?.["agent.yaml"]);
    expect(maps.filter((text) => text !== undefined).map((text) => parse(text).collectors)).toEqual([
      ["rejoin-collector-0.rejoin.svc:4754", "rejoin-collector-1.rejoin.svc:4754"],
    ]);
  });

  const some = ["--set", "collector.config.anyAgent=true"];
  it.each([
    [[], "collector.config.agents: nobody may send yet"],
    [[...some, "--set", "collector.config.admin.listen=9464"], "collector.config.admin.listen: probes ask there"],
    [[...some, "--set", "collector.config.listen.gre={ipv4}"], "need NET_RAW on the node's network"],
    [[...some, "--set", "collector.nativeGre=true"], "nothing of collector.config.listen needs it"],
    [[...some, "--set", "agent.enabled=true"], "agent.config.capture.interfaces"],
    [
      [...some, "--set", "agent.enabled=true,agent.config.capture.interfaces={eth0},agent.podMonitor.enabled=true"],
      "set agent.config.admin.listen",
    ],
    [
      [...some, "--set", "agent.enabled=true,agent.config.capture.interfaces={eth0},agent.config.capture.method=nft"],
      "agent.config.capture.method",
    ],
    [
      ["--set", "collector.enabled=false,agent.enabled=true,agent.config.capture.interfaces={eth0}"],
      "agent.config.collector: say where the copies go",
    ],
    [[...some, "--set", "collector.replica=2"], "additional properties 'replica' not allowed"],
    [[...some, "--set", "collector.config.sink.kind=kafak"], "value must be one of"],
    [[...some, "--set", "collector.config.sink.kafka.broker={a}"], "additional properties 'broker' not allowed"],
    [[...some, "--set", "collector.storage.size=1Gb"], "does not match pattern"],
  ])("refuses %j", (args, message) => {
    const { status, stderr, stdout } = template(...args);
    expect([status, stdout]).toEqual([1, ""]);
    expect(stderr).toContain(message);
  });

  it("tells what to do next", () => {
    const { stdout } = helm("install", "rejoin", CHART, "--dry-run=client", "--values", `${EXAMPLES}smallest.yaml`);
    const [, notes = ""] = stdout.split("NOTES:\n");
    expect(notes).toContain("rollout status statefulset/rejoin-collector");
    expect(notes).toContain("rejoin-collector-0.default.svc");
    expect(notes).not.toMatch(/<no value>|%!|\n\n\n/);
  });

  it("has the dashboard as Grafana is to read it", () => {
    const maps = objects("kafka.yaml", "ConfigMap").flatMap(({ data }) => Object.entries(data ?? {}));
    const [text = ""] = maps.filter(([file]) => file.endsWith(".json")).map(([, json]) => json);
    expect(JSON.parse(text)).toEqual(dashboard());
  });

  const noPromtool = needs("promtool");
  it.skipIf(noPromtool)(titled("has alerts that fire when they should, and only then", noPromtool), () => {
    const [rule] = objects("kafka.yaml", "PrometheusRule");
    writeFileSync(join(folder, "rules.json"), JSON.stringify({ groups: rule?.spec.groups }));
    copyFileSync(fileURLToPath(new URL("alerts.yaml", import.meta.url)), join(folder, "alerts.yaml"));
    const promtool = (...args: readonly string[]) => {
      const { status, stdout, stderr } = spawnSync("promtool", args, { cwd: folder, encoding: "utf8" });
      return { status, said: `${stdout}${stderr}` };
    };
    expect(promtool("check", "rules", "--lint=all", "--lint-fatal", "rules.json")).toEqual({
      status: 0,
      said: expect.stringContaining("SUCCESS: 10 rules found"),
    });
    expect(promtool("test", "rules", "alerts.yaml")).toEqual({ status: 0, said: expect.stringContaining("SUCCESS") });
  });

  const schemas = kubernetesSchemas();
  const noSchemas = needs("kubeconform") ?? (schemas === undefined ? "needs schemas of Kubernetes" : undefined);
  it.skipIf(noSchemas).each(examples)(
    titled("%s has the fields of Kubernetes, and their types", noSchemas),
    (example) => {
      const at = `${schemas}/{{.ResourceKind}}{{.KindSuffix}}.json`;
      const { stdout: input } = template("--values", `${EXAMPLES}${example}`);
      const args = ["-strict", "-summary", "-schema-location", at];
      const { status, stdout } = spawnSync("kubeconform", args, { input, encoding: "utf8" });
      expect([status, stdout]).toEqual([0, expect.stringContaining("Invalid: 0, Errors: 0, Skipped: 0")]);
    },
  );
});
