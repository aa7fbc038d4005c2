#!/usr/bin/env node
// `npm run -s sbom > rejoin.cdx.json`: all packages that rejoin runs with, by the lock file, as CycloneDX. Needs no network.
// npm's own `--omit dev` leaves out packages that development uses, too, such as zod: so all are asked for, and those of
// development alone are taken out.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const FORM = ["--sbom-format", "cyclonedx", "--sbom-type", "application", "--package-lock-only"];

const { status, stdout, stderr } = spawnSync("npm", ["sbom", ...FORM], {
  cwd: ROOT,
  encoding: "utf8",
  maxBuffer: 1 << 26,
});
if (status !== 0) {
  process.stderr.write(`sbom: npm sbom failed; it needs npm 10 or newer: ${String(stderr).trim()}\n`);
  process.exit(2);
}
const all = JSON.parse(stdout);
const isOfDevelopment = ({ properties = [] }) =>
  properties.some(({ name, value }) => name === "cdx:npm:package:development" && value === "true");
const components = all.components.filter((component) => !isOfDevelopment(component));
const kept = new Set([all.metadata.component["bom-ref"], ...components.map((component) => component["bom-ref"])]);
const dependencies = all.dependencies
  .filter(({ ref }) => kept.has(ref))
  .map(({ ref, dependsOn = [] }) => ({ ref, dependsOn: dependsOn.filter((other) => kept.has(other)) }));
// npm names it as the folder it is in.
const { name } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
const metadata = { ...all.metadata, component: { ...all.metadata.component, name } };
process.stdout.write(`${JSON.stringify({ ...all, metadata, components, dependencies }, null, 2)}\n`);
