#!/usr/bin/env node
// Makes a clone ready to run: dependencies, build and, with --system, the programs that tests use.
// Plain Node without dependencies; takes a fraction of a second when there is nothing to do.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { installSuricata } from "./suricata.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const BUILT_FOLDERS = [
  "src",
  "collectors",
  "schema",
  "test/bench",
  "test/e2e/live-matrix",
  "test/fuzz",
  "test/hostile",
  "test/lab",
  "test/outbox",
  "test/reconciliation",
  "test/soak",
  "test/support",
];
const BUILD_SETTINGS = ["package.json", "rolldown.config.mjs", "tsconfig.json", "tsconfig.build.json"];

/** Program -> Debian package that brings it. Tests that miss one skip by name. */
const PROGRAMS = {
  tcpdump: "tcpdump",
  tshark: "tshark",
  ip: "iproute2",
  nft: "nftables",
  ethtool: "ethtool",
  iptables: "iptables",
  sysctl: "procps",
  zstd: "zstd",
  jq: "jq",
  make: "make",
  "g++": "g++",
  java: "openjdk-17-jre-headless",
  mvn: "maven",
  openssl: "openssl",
  python3: "python3",
  suricata: "suricata",
  wg: "wireguard-tools",
};

const say = (line) => process.stderr.write(`prepare: ${line}\n`);

/** Runs a program with its output shown on standard error; true when it ended well. */
function run(program, args, options = {}) {
  const { status } = spawnSync(program, args, { cwd: ROOT, stdio: ["ignore", 2, 2], ...options });
  return status === 0;
}

function onPath(program) {
  return (process.env.PATH ?? "").split(":").some((folder) => existsSync(join(folder, program)));
}

/** Installs what the tests use and this machine lacks. Never fails: what could not be had is said, and its tests skip. */
export function prepareSystem() {
  if (process.getuid?.() !== 0 || !onPath("apt-get")) return;
  const wanted = Object.entries(PROGRAMS).filter(([program]) => !onPath(program));
  const packages = new Set(wanted.map(([, name]) => name));
  if (spawnSync("python3", ["-c", "import ensurepip"]).status !== 0) packages.add("python3-venv");
  if (packages.size === 0) return;
  say(`installing ${[...packages].join(" ")}`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  if (!run("apt-get", ["-qq", "update"], { env })) say("apt-get update failed; trying to install all the same");
  const install = (names) => run("apt-get", ["-qq", "-y", "--no-install-recommends", "install", ...names], { env });
  const failed = (name) => say(`could not install ${name}: tests that need it will be skipped`);
  if (packages.delete("suricata") && !installSuricata((...command) => run(...command, { env }))) failed("suricata");
  if (packages.size === 0 || install([...packages])) return;
  for (const name of packages) if (!install([name])) failed(name);
}

/** True when every package of the lock file is installed in its version; optional ones may be absent. */
function dependenciesMatch() {
  const installedFile = join(ROOT, "node_modules/.package-lock.json");
  if (!existsSync(installedFile)) return false;
  const wanted = JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8")).packages;
  const installed = JSON.parse(readFileSync(installedFile, "utf8")).packages;
  return Object.entries(wanted).every(
    ([path, { version, optional }]) =>
      path === "" || installed[path]?.version === version || (optional && installed[path] === undefined),
  );
}

/** Installs dependencies when they do not match the lock file. Returns false when npm failed. */
export function prepareDependencies() {
  if (dependenciesMatch()) return true;
  say("installing dependencies");
  return run("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"]);
}

function* filesUnder(folder) {
  if (!existsSync(folder)) return;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* filesUnder(path);
    else yield path;
  }
}

/** Every file that the build reads with size and time: the build is stale when this text changes. */
function buildInputs() {
  const sources = BUILT_FOLDERS.flatMap((folder) => [...filesUnder(join(ROOT, folder))]).filter((path) =>
    /\.(ts|json)$/.test(path),
  );
  const paths = [...BUILD_SETTINGS.map((name) => join(ROOT, name)), ...sources].sort();
  return paths.map((path) => `${relative(ROOT, path)} ${statSync(path).size} ${statSync(path).mtimeMs}`).join("\n");
}

/** Removes what an earlier build made of sources that are gone, so that nothing imports them by accident. */
function removeOrphans() {
  for (const path of filesUnder(join(ROOT, "dist"))) {
    if (!/\.(js|d\.ts)$/.test(path)) continue;
    const source = relative(join(ROOT, "dist"), path).replace(/\.(js|d\.ts)$/, ".ts");
    if (!existsSync(join(ROOT, source))) rmSync(path);
  }
}

/** Compiles into dist/, and bundles the program into dist/bin/, when a source is newer. Returns false when that failed. */
export function prepareBuild() {
  const stamp = join(ROOT, "dist/.inputs");
  const inputs = buildInputs();
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === inputs) return true;
  say("building");
  if (!run(join(ROOT, "node_modules/.bin/tsc"), ["-p", "tsconfig.build.json"])) return false;
  removeOrphans();
  // Its list of files tells nobody anything.
  if (!run(join(ROOT, "node_modules/.bin/rolldown"), ["-c"], { stdio: ["ignore", "ignore", 2] })) return false;
  writeFileSync(stamp, inputs);
  return true;
}

function main(args) {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    say(`Node ${process.versions.node} is too old: install Node 20.19 or newer`);
    return 2;
  }
  if (args.includes("--system")) prepareSystem();
  if (!prepareDependencies()) {
    say("npm ci failed: see its messages above");
    return 2;
  }
  if (!prepareBuild()) {
    say("the build failed: see the messages above");
    return 2;
  }
  return 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = main(process.argv.slice(2));
