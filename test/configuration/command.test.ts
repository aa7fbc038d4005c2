import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { titled } from "../support/requirements.ts";

/** The build, not the sources: `npm test` makes it first. */
const MAIN = fileURLToPath(new URL("../../dist/bin/rejoin.js", import.meta.url));
const EXAMPLES = fileURLToPath(new URL("../../schema/configuration/examples/", import.meta.url));
const unmet = existsSync(MAIN) ? undefined : "needs the build in dist";

function config(words: readonly string[], environment: Record<string, string> = {}) {
  const env = { PATH: process.env.PATH, ...environment };
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...words], { encoding: "utf8", env });
  return { status, stdout, stderr };
}

describe.skipIf(unmet)(titled("rejoin config", unmet), () => {
  let folder: string;
  let file: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "rejoin-config-"));
    file = join(folder, "c.yaml");
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it("check: one line where all is well", () => {
    const good = join(EXAMPLES, "collector-kafka.yaml");
    expect(config(["config", "check", "collector", good])).toEqual({
      status: 0,
      stdout: `${good}: a collector can use it\n`,
      stderr: "",
    });
  });

  it("check: a line for every fault, and status 2", () => {
    writeFileSync(file, "anyAgent: true\nlog: {level: inof}\nsnik: {}\n");
    expect(config(["config", "check", "collector", file], { REJOIN_COLLECTOR__NAME: "" })).toEqual({
      status: 2,
      stdout: "",
      stderr:
        "rejoin: REJOIN_COLLECTOR__NAME: name: is empty; it must be text, or null\n" +
        `rejoin: ${file}:2: log.level: must be one of trace, debug, info, warn, error, fatal, silent, not "inof"; did you mean info?\n` +
        `rejoin: ${file}:3: snik: there is no such key; did you mean sink?\n`,
    });
  });

  it("print: what the program would use, references as they stand", () => {
    writeFileSync(file, 'anyAgent: true\nname: "${env:WHO}"\n');
    const { status, stdout } = config(["config", "print", "collector", file], {
      WHO: "somebody",
      REJOIN_COLLECTOR__SINK__KIND: "stdout",
    });
    expect([status, stdout.includes("somebody")]).toEqual([0, false]);
    expect(parse(stdout)).toMatchObject({ name: "${env:WHO}", anyAgent: true, sink: { kind: "stdout" } });
  });

  it("schema: the file in schema/json", () => {
    const text = readFileSync(new URL("../../schema/json/agent-configuration.schema.json", import.meta.url), "utf8");
    expect(config(["config", "schema", "agent"])).toEqual({ status: 0, stdout: text, stderr: "" });
  });

  it.each([
    ["schema of a file", ["config", "schema", "agent", "x"], /^rejoin: config schema reads no file; leave x out\n$/],
    ["a program that is none", ["config", "check", "router"], /^rejoin: command-argument value 'router' is invalid/],
    [
      "a file that is not there",
      ["config", "check", "agent", "/nobody"],
      /^rejoin: \/nobody: cannot be read: there is no such file\n$/,
    ],
    [
      "collect with a wrong file",
      ["collect", "--config", "/nobody"],
      /^rejoin: \/nobody: cannot be read: there is no such file\n$/,
    ],
  ])("%s: one line and status 2", (_what, words, line) => {
    const { status, stdout, stderr } = config(words);
    expect([status, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(line);
    expect(stderr.trimEnd().split("\n")).toHaveLength(1);
  });
});
