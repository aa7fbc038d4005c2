import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BIN, CACHE } from "./cache.ts";
import { writeSchemas } from "./schemas.ts";
import { VERSIONS } from "./versions.ts";

/** Something that is built once a machine: what it leaves in the cache, of which version, and how. */
export interface Tool {
  readonly name: string;
  readonly version: string;
  /** Files below the cache; it is there when all of them are. */
  readonly files: readonly string[];
  /** Throws where it cannot be built, in words for people. */
  build(): void;
}

/** Go as PATH has it, or where its own installer puts it. */
const GO_PATH = `${process.env.PATH}:/usr/local/go/bin`;

function go(args: readonly string[], cwd = CACHE): string {
  const { status, stdout, error } = spawnSync("go", args, {
    cwd,
    env: { ...process.env, PATH: GO_PATH, GOBIN: BIN, GOFLAGS: "" },
    encoding: "utf8",
    maxBuffer: 1 << 26,
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (error !== undefined) throw new Error("Go is not here; install it, or put the program on PATH");
  if (status !== 0) throw new Error(`go ${args.slice(0, 2).join(" ")} failed: see its messages above`);
  return stdout;
}

/** The sources of a module, fetched where they are not. */
const sourcesOf = (module: string) => (JSON.parse(go(["mod", "download", "-json", module])) as { Dir: string }).Dir;

function program(name: string, packagePath: string, version: string, ...flags: readonly string[]): Tool {
  const build = () => void go(["install", ...flags, `${packagePath}@v${version}`]);
  return { name, version, files: [`bin/${name}`], build };
}

const CONTROL_PLANE = ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl"];

/** Kubernetes is no module to be installed as it is: its parts are replaced by those beside it, and linked with its version. */
function buildControlPlane(): void {
  const version = VERSIONS.kubernetes;
  const [, minor = ""] = version.split(".");
  const folder = join(CACHE, "control-plane");
  const commands = CONTROL_PLANE.map((name) => `k8s.io/kubernetes/cmd/${name}`);
  const etcd = "go.etcd.io/etcd/server/v3";
  const own = readFileSync(join(sourcesOf(`k8s.io/kubernetes@v${version}`), "go.mod"), "utf8");
  const parts = [...own.matchAll(/^\t(k8s\.io\/[a-z-]+) => /gm)].map(([, name]) => name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    join(folder, "go.mod"),
    [
      "module kube\n\ngo 1.26.0\n",
      `require k8s.io/kubernetes v${version}\n`,
      `replace (\n${parts.map((name) => `\t${name} => ${name} v0.${version.slice(2)}\n`).join("")})\n`,
    ].join("\n"),
  );
  const imports = [...commands, etcd].map((path) => `\t_ "${path}"\n`).join("");
  writeFileSync(join(folder, "tools.go"), `//go:build tools\n\npackage tools\n\nimport (\n${imports})\n`);
  go(["mod", "tidy"], folder);
  const at = "k8s.io/component-base/version";
  // Without its version the server is v0.0.0, which a chart's kubeVersion refuses.
  const named = `-X ${at}.gitVersion=v${version} -X ${at}.gitMajor=1 -X ${at}.gitMinor=${minor}`;
  go(["build", "-ldflags", `-s -w ${named}`, "-o", `${BIN}/`, ...commands], folder);
  go(["build", "-ldflags", "-s -w", "-o", join(BIN, "etcd"), etcd], folder);
}

/** Kinds of the Prometheus operator that the chart makes objects of. */
export const OPERATOR_KINDS = ["podmonitors", "prometheusrules", "servicemonitors"];

function buildSchemas(): void {
  const operator = sourcesOf(`github.com/prometheus-operator/prometheus-operator@v${VERSIONS.prometheusOperator}`);
  const definitions = join(CACHE, "definitions");
  for (const kind of OPERATOR_KINDS) {
    cpSync(join(operator, `jsonnet/prometheus-operator/${kind}-crd.json`), join(definitions, `${kind}.json`));
  }
  const openApi = join(sourcesOf(`k8s.io/kubernetes@v${VERSIONS.kubernetes}`), "api/openapi-spec/swagger.json");
  const files = OPERATOR_KINDS.map((kind) => join(definitions, `${kind}.json`));
  rmSync(join(CACHE, "schemas"), { recursive: true, force: true });
  writeSchemas(join(CACHE, "schemas"), openApi, files);
}

/** How kwok moves its nodes, pods and volumes along: without these it does nothing. */
function buildStages(): void {
  const folder = join(sourcesOf(`sigs.k8s.io/kwok@v${VERSIONS.kwok}`), "kustomize/stage");
  const stages = ["node/fast", "node/heartbeat-with-lease", "pod/fast", "volume/fast"].flatMap((part) =>
    readdirSync(join(folder, part))
      .filter((file) => /^(node|pod|pv).*\.yaml$/.test(file))
      .map((file) => readFileSync(join(folder, part, file), "utf8")),
  );
  writeFileSync(join(CACHE, "stages.yaml"), stages.join("\n---\n"));
  cpSync(join(folder, "volume/fast/storage-class.yaml"), join(CACHE, "storage-class.yaml"));
}

// Service discovery of clouds is left out of Prometheus: it is half of the build.
const SMALL = ["-tags", "remove_all_sd"];
const PROMETHEUS = "github.com/prometheus/prometheus/cmd";

/** All that tests of the chart can use, what is quickly built first. */
export const TOOLS: readonly Tool[] = [
  program("kubeconform", "github.com/yannh/kubeconform/cmd/kubeconform", VERSIONS.kubeconform),
  {
    name: "schemas",
    version: `${VERSIONS.kubernetes} ${VERSIONS.prometheusOperator}`,
    files: ["schemas/_definitions.json", ...OPERATOR_KINDS.map((kind) => `definitions/${kind}.json`)],
    build: buildSchemas,
  },
  program("promtool", `${PROMETHEUS}/promtool`, VERSIONS.prometheus, ...SMALL),
  program("prometheus", `${PROMETHEUS}/prometheus`, VERSIONS.prometheus, ...SMALL),
  program("wireguard", "golang.zx2c4.com/wireguard", VERSIONS.wireguard),
  program("helm", "helm.sh/helm/v4/cmd/helm", VERSIONS.helm),
  program("kwok", "sigs.k8s.io/kwok/cmd/kwok", VERSIONS.kwok),
  { name: "stages", version: VERSIONS.kwok, files: ["stages.yaml", "storage-class.yaml"], build: buildStages },
  {
    name: "control-plane",
    version: VERSIONS.kubernetes,
    files: [...CONTROL_PLANE, "etcd"].map((name) => `bin/${name}`),
    build: buildControlPlane,
  },
];

const STAMP = join(CACHE, "built.json");
const stamps = (): Record<string, string> => (existsSync(STAMP) ? JSON.parse(readFileSync(STAMP, "utf8")) : {});

/** Whether the cache has a tool in the version that is asked for. */
export const isBuilt = ({ name, version, files }: Tool): boolean =>
  stamps()[name] === version && files.every((file) => existsSync(join(CACHE, file)));

/** Builds a tool where the cache has another version of it, or none. Throws, in words for people, where that fails. */
export function build(tool: Tool): void {
  mkdirSync(BIN, { recursive: true });
  tool.build();
  writeFileSync(STAMP, JSON.stringify({ ...stamps(), [tool.name]: tool.version }, null, 2));
}
