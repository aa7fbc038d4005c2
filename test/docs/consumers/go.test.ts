import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { needs, titled } from "../../support/requirements.ts";
import { GOLDEN } from "./golden.ts";

const FOLDER = mkdtempSync(join(tmpdir(), "rejoin-go-"));
const PROGRAM = join(FOLDER, "records");
const INPUT = join(FOLDER, "input");
const RFC3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/;

function go(...args: string[]) {
  return spawnSync("go", args, { cwd: FOLDER, encoding: "utf8", timeout: 110_000 });
}

/** Builds the decoder, or says why it cannot be had. */
function build(): string | undefined {
  const missing = needs("go");
  if (missing !== undefined) return missing;
  cpSync(fileURLToPath(new URL("../../../docs/consumers/go/", import.meta.url)), FOLDER, { recursive: true });
  return go("mod", "download").status === 0 ? undefined : "needs Go's modules";
}

const reason = build();
afterAll(() => rmSync(FOLDER, { recursive: true, force: true }));

/** Every leaf with its path; a time as the moment that it is. */
function leaves(value: unknown, path = ""): [string, unknown][] {
  if (value !== null && typeof value === "object") {
    return Object.entries(value).flatMap(([name, field]) => leaves(field, `${path}.${name}`));
  }
  return [[path, typeof value === "string" && RFC3339.test(value) ? Date.parse(value) : value]];
}

describe.skipIf(reason)(titled("docs/consumers/go", reason), () => {
  it("compiles, as gofmt and vet want it", () => {
    expect(go("vet", "./...")).toMatchObject({ status: 0, stderr: "" });
    expect(go("build", "-o", PROGRAM, "./cmd")).toMatchObject({ status: 0, stderr: "" });
    expect(spawnSync("gofmt", ["-l", "."], { cwd: FOLDER, encoding: "utf8" }).stdout).toBe("");
  });

  it.each(GOLDEN)("decodes $name from both encodings", ({ msgpack, json, record }) => {
    const { stdout, stderr } = spawnSync(PROGRAM, [msgpack, json], { encoding: "utf8" });
    expect(stderr).toBe("");
    const [first = "", second] = stdout.split("\n");
    expect(second).toBe(first);
    // It has a part of the fields, and what it has is what was written.
    const told = leaves(JSON.parse(first));
    const written = new Map(leaves(record));
    expect(told.length).toBeGreaterThan(10);
    for (const [path, value] of told) expect([path, value]).toEqual([path, written.get(path)]);
  });

  it.each([
    ["nothing", "", "a message without a value"],
    ["blanks", "  ", "not MessagePack: "],
    ["text", "hello", "not MessagePack: "],
    ["half a record", '{"event": {', "not JSON: "],
    ["another object", "{}", "not a record: event.dataset is missing"],
  ])("names %s", (_name, input, message) => {
    writeFileSync(INPUT, input);
    const { status, stderr } = spawnSync(PROGRAM, [INPUT], { encoding: "utf8" });
    expect([status, stderr]).toEqual([1, expect.stringContaining(`: ${message}`)]);
    expect(stderr.match(/\n/g)).toHaveLength(1);
  });
});
