#!/usr/bin/env node
// `npm run release-schema`: keeps what a version promises to readers of its topics in schema/released/VERSION: its JSON
// Schemas, and its examples as octets of both encodings. A version that is there is never written again.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { encode } from "../dist/schema/index.js";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
const folder = join(ROOT, "schema/released", version);

if (existsSync(folder)) {
  process.stderr.write(`release-schema: ${folder} is there and stays as it is; raise the version in package.json\n`);
  process.exit(2);
}
mkdirSync(folder, { recursive: true });
for (const file of readdirSync(join(ROOT, "schema/json"))) {
  // What programs are configured with is no promise to readers.
  if (file.endsWith("-record.schema.json")) cpSync(join(ROOT, "schema/json", file), join(folder, file));
}
for (const file of readdirSync(join(ROOT, "schema/examples"))) {
  const record = JSON.parse(readFileSync(join(ROOT, "schema/examples", file), "utf8"));
  writeFileSync(join(folder, file), encode(record, "json"));
  writeFileSync(join(folder, file.replace(/json$/, "msgpack")), encode(record, "msgpack"));
}
process.stdout.write(`${folder}\n`);
