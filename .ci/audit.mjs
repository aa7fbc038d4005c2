#!/usr/bin/env node
// `npm run audit`, and a check of `npm test`: asks the registry for weaknesses that are known of the packages in the lock
// file. One of a package that rejoin runs with fails; those of development are told.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
/** A registry that does not answer at once holds nobody up. */
const WAIT = ["--fetch-retries=0", "--fetch-timeout=15000"];

/**
 * What the registry says: `result` is "passed", "failed", or "skipped" where it gives no answer, `lines` are for people.
 */
export function audit() {
  const { stdout } = spawnSync("npm", ["audit", "--json", ...WAIT], { cwd: ROOT, encoding: "utf8" });
  let report;
  try {
    report = JSON.parse(stdout);
  } catch {
    return { result: "skipped", lines: ["npm audit did not run"] };
  }
  if (report.vulnerabilities === undefined) {
    return { result: "skipped", lines: [`the registry does not answer: ${report.message ?? "no reason given"}`] };
  }
  const { packages } = JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8"));
  const found = Object.values(report.vulnerabilities).map(({ name, severity, nodes, via }) => {
    const atRunTime = nodes.some((path) => packages[path]?.dev !== true);
    const titles = via.filter((cause) => typeof cause === "object").map(({ title, url }) => `${title} (${url})`);
    return {
      atRunTime,
      line: `${name}, ${severity}${atRunTime ? "" : ", in development alone"}: ${titles.join("; ")}`,
    };
  });
  const lines = found.map(({ line }) => line);
  return { result: found.some(({ atRunTime }) => atRunTime) ? "failed" : "passed", lines };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { result, lines } = audit();
  process.stdout.write([...lines, `audit: ${result}`].map((line) => `${line}\n`).join(""));
  process.exitCode = result === "failed" ? 1 : 0;
}
