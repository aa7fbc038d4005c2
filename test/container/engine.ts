import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
/** Images stay here, apart from the machine's own. */
const CACHE = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "rejoin-image");
const PULL_MS = 60_000;

/** How a program ended, and what it said. */
export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const environment = { ...process.env, CONTAINERS_STORAGE_CONF: join(CACHE, "storage.conf") };

function run(program: string, args: readonly string[], timeout?: number, cwd = ROOT): Ended {
  const { status, stdout, stderr } = spawnSync(program, args, {
    cwd,
    env: environment,
    encoding: "utf8",
    maxBuffer: 1 << 26,
    ...(timeout === undefined ? {} : { timeout }),
  });
  return { status, stdout: stdout ?? "", stderr: stderr ?? "" };
}

function must(program: string, args: readonly string[], cwd?: string): string {
  const { status, stdout, stderr } = run(program, args, undefined, cwd);
  if (status !== 0) throw new Error(`${program} ${args.join(" ")}\n${stderr.split("\n").slice(-20).join("\n")}`);
  return stdout;
}

/** Without systemd and its log. In a folder of its own: where a container is ended for memory, a file `oom` is left. */
const podman = (...args: readonly string[]): Ended =>
  run("podman", ["--cgroup-manager", "cgroupfs", "--events-backend", "none", ...args], undefined, CACHE);

/** As docs/kubernetes.md has containers run: nobody's root, nothing written to the image, no capability. */
const CONFINED = [
  ...["--pull", "never", "--runtime", "runc", "--ulimit", "nofile=1024:4096", "--ulimit", "nproc=4096:4096"],
  ...["--read-only", "--cap-drop", "all", "--security-opt", "no-new-privileges", "--memory", "256m"],
];

/** The image that is built and tried. */
export const IMAGE = "localhost/rejoin:test";

/** Runs a container of the image to its end, confined. */
export const runConfined = (...args: readonly string[]): Ended => podman("run", "--rm", ...CONFINED, ...args);

/** A container of the image that runs, confined. */
export class Container {
  readonly name: string;

  /** Starts it with these options and arguments. Throws what podman says where it does not start. */
  constructor(name: string, options: readonly string[], args: readonly string[]) {
    this.name = `${name}-${process.pid}`;
    const { status, stderr } = podman("run", "--detach", "--name", this.name, ...CONFINED, ...options, IMAGE, ...args);
    if (status !== 0) throw new Error(stderr);
  }

  /** What a piece of JavaScript prints in it. */
  evaluate(code: string): string {
    const { stdout, stderr } = podman("exec", this.name, "/usr/local/bin/node", "-e", code);
    return (stdout + stderr).trim();
  }

  /** The health check of the image: status 0 is well. */
  health(): number | null {
    return podman("healthcheck", "run", this.name).status;
  }

  logs(): string {
    const { stdout, stderr } = podman("logs", this.name);
    return stdout + stderr;
  }

  /** Sends SIGTERM; returns its exit status. */
  stop(): number {
    podman("stop", "--time", "30", this.name);
    return Number(podman("inspect", "--format", "{{.State.ExitCode}}", this.name).stdout);
  }

  remove(): void {
    podman("rm", "--force", "--time", "0", this.name);
  }
}

/** The base of the Dockerfile, as its own ARG names it. */
function baseName(): string {
  return /^ARG NODE_IMAGE=(\S+)$/m.exec(readFileSync(join(ROOT, "Dockerfile"), "utf8"))?.[1] ?? "";
}

/** Debian with this machine's Node where the published image has it: with it the Dockerfile is built unchanged. */
function standIn(name: string): void {
  const folder = mkdtempSync(join(tmpdir(), "rejoin-base-"));
  const [, codename = ""] = /^VERSION_CODENAME=(\w+)$/m.exec(readFileSync("/etc/os-release", "utf8")) ?? [];
  must("mmdebstrap", ["--quiet", "--variant=minbase", codename, join(folder, "root.tar")]);
  must("podman", ["import", "--quiet", join(folder, "root.tar"), "localhost/debian:test"]);
  const node = realpathSync(process.execPath);
  cpSync(node, join(folder, "node"));
  cpSync(join(dirname(dirname(node)), "include/node"), join(folder, "include"), { recursive: true });
  cpSync(join(must("npm", ["root", "--global"]).trim(), "npm"), join(folder, "npm"), { recursive: true });
  // Where a proxy of its own signs what is fetched, the machine's authorities know it.
  cpSync("/etc/ssl/certs/ca-certificates.crt", join(folder, "authorities.crt"), { dereference: true });
  writeFileSync(
    join(folder, "Dockerfile"),
    `FROM localhost/debian:test
COPY node /usr/local/bin/
COPY include /usr/local/include/node
COPY npm /usr/local/lib/node_modules/npm
COPY authorities.crt /etc/ssl/certs/ca-certificates.crt
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm
ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin
`,
  );
  must("buildah", ["bud", "--isolation", "chroot", "--pull-never", "--tag", name, "."], folder);
  rmSync(folder, { recursive: true });
}

/** Has the base of the Dockerfile: from its registry, or one that stands in where none is in reach. Says which it is. */
export function prepareBase(): "published" | "stand-in" {
  mkdirSync(CACHE, { recursive: true });
  const storage = `[storage]\ndriver = "overlay"\ngraphroot = "${CACHE}/graph"\nrunroot = "${CACHE}/run"\n`;
  writeFileSync(join(CACHE, "storage.conf"), storage);
  const marker = join(CACHE, "stand-in");
  const name = baseName();
  if (!existsSync(marker) && run("buildah", ["pull", "--quiet", name], PULL_MS).status === 0) return "published";
  if (!existsSync(marker) || run("podman", ["image", "exists", name]).status !== 0) {
    standIn(name);
    writeFileSync(marker, "");
  }
  return "stand-in";
}

/** Builds the image anew, all steps of it, and returns the digests of its layers. */
export function buildImage(tag = IMAGE): string[] {
  const how = ["--isolation", "chroot", "--pull-never", "--format", "docker", "--no-cache"];
  must("buildah", ["bud", ...how, "--tag", tag, "."]);
  return JSON.parse(must("podman", ["image", "inspect", "--format", "{{json .RootFS.Layers}}", tag]));
}

/** Every path of the image, without a leading slash. */
export function filesOfImage(): string[] {
  const id = podman("create", "--pull", "never", IMAGE).stdout.trim();
  const folder = mkdtempSync(join(tmpdir(), "rejoin-files-"));
  podman("export", "--output", join(folder, "root.tar"), id);
  const names = must("tar", ["--list", "--file", join(folder, "root.tar")])
    .trim()
    .split("\n");
  podman("rm", id);
  rmSync(folder, { recursive: true });
  return names;
}
