#!/usr/bin/env node
// `npm test`: prepares the clone, runs every check and every test, lists what was skipped and why, and ends in one line
// of counts. Words after `--` go to vitest, which narrows the run to files of that name.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { audit } from "./audit.mjs";
import { prepareBuild, prepareDependencies, prepareSystem } from "./prepare.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const REPORTER = fileURLToPath(new URL("json-report.mjs", import.meta.url));
/** All tests together; a run that hangs is ended and counts as failed. */
const VITEST_TIMEOUT_MS = 27 * 60_000;

const counts = { passed: 0, failed: 0 };
const skipped = [];
const failures = [];

function check(name, passed) {
  if (passed) counts.passed++;
  else {
    counts.failed++;
    failures.push(name);
  }
  process.stdout.write(`${passed ? "ok  " : "FAIL"} ${name}\n`);
}

/** Runs a program of node_modules/.bin with its output shown; true when it ended well. */
function passes(program, args, options = {}) {
  const path = join(ROOT, "node_modules/.bin", program);
  return spawnSync(path, args, { cwd: ROOT, stdio: ["ignore", "inherit", "inherit"], ...options }).status === 0;
}

/** Runs vitest and counts its tests; a file that could not be loaded counts as one failed test. */
function runVitest(args) {
  const folder = mkdtempSync(join(tmpdir(), "rejoin-test-"));
  const report = join(folder, "report.json");
  const env = process.stdout.isTTY ? process.env : { ...process.env, NO_COLOR: "1" };
  const reporters = ["--reporter=default", `--reporter=${REPORTER}`, `--outputFile.json=${report}`];
  const ended = passes("vitest", ["run", ...reporters, ...args], {
    env,
    timeout: VITEST_TIMEOUT_MS,
    killSignal: "SIGTERM",
  });
  const failedBefore = counts.failed;
  if (existsSync(report)) countTests(JSON.parse(readFileSync(report, "utf8")));
  // A hang, an unhandled rejection or no report at all: vitest is not content, and no single test says why.
  if (!ended && counts.failed === failedBefore) check("vitest ends well", false);
  rmSync(folder, { recursive: true });
}

/** Asks the registry what is known of the packages; where it gives no answer, that is a skipped check. */
function checkPackages() {
  const { result, lines } = audit();
  for (const line of lines) process.stdout.write(`     ${line}\n`);
  if (result === "skipped") skipped.push(`no known weakness in packages (skipped: ${lines[0]})`);
  else check("no known weakness in packages", result === "passed");
}

function countTests(report) {
  for (const file of report.testResults) {
    const name = file.name.replace(ROOT, "");
    if (file.status === "failed" && file.assertionResults.length === 0) {
      counts.failed++;
      failures.push(`${name}: ${String(file.message).split("\n")[0]}`);
    }
    for (const test of file.assertionResults) {
      if (test.status === "passed") counts.passed++;
      else if (test.status === "failed") {
        counts.failed++;
        failures.push(`${name}: ${test.fullName}`);
      } else skipped.push(`${name}: ${test.fullName}`);
    }
  }
}

prepareSystem();
if (!prepareDependencies()) check("dependencies install", false);
else {
  check("build", prepareBuild());
  check("types", passes("tsc", ["-p", "tsconfig.json"]));
  check("lint and format", passes("biome", ["check", "--reporter=summary", "."]));
  check("nothing unused", passes("knip", []));
  checkPackages();
  runVitest(process.argv.slice(2));
}

if (skipped.length > 0) process.stdout.write(`\nSkipped:\n${skipped.map((line) => `  ${line}\n`).join("")}`);
if (failures.length > 0) process.stdout.write(`\nFailed:\n${failures.map((line) => `  ${line}\n`).join("")}`);
process.stdout.write(`\n${counts.passed} passed, ${counts.failed} failed, ${skipped.length} skipped\n`);
process.exitCode = counts.failed > 0 || counts.passed === 0 ? 1 : 0;
