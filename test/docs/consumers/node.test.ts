import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { titled } from "../../support/requirements.ts";
import { GOLDEN } from "./golden.ts";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const PROJECT = mkdtempSync(join(tmpdir(), "rejoin-pack-"));
const TSC = join(ROOT, "node_modules/.bin/tsc");

function run(program: string, ...args: string[]) {
  const { status, stdout, stderr } = spawnSync(program, args, { cwd: PROJECT, encoding: "utf8", timeout: 110_000 });
  return { status, said: `${stdout}${stderr}` };
}

/** Packs the package and installs it in a project of its own, or says why that cannot be. */
function install(): string | undefined {
  const packed = run("npm", "pack", "--silent", "--pack-destination", PROJECT, ROOT);
  if (packed.status !== 0) throw new Error(packed.said);
  const [tarball = ""] = readdirSync(PROJECT).filter((file) => file.endsWith(".tgz"));
  writeFileSync(join(PROJECT, "package.json"), '{ "type": "module", "private": true }');
  const quiet = ["--silent", "--no-audit", "--no-fund", "--prefer-offline"];
  const installed = run("npm", "install", ...quiet, "--omit=optional", "--ignore-scripts", `./${tarball}`);
  if (installed.status !== 0) return "needs npm's registry";
  cpSync(join(ROOT, "docs/consumers/node/findings.ts"), join(PROJECT, "findings.ts"));
  // The example reads files; its types are the reader's own.
  symlinkSync(join(ROOT, "node_modules/@types"), join(PROJECT, "node_modules/@types"));
  symlinkSync(join(ROOT, "node_modules/undici-types"), join(PROJECT, "node_modules/undici-types"));
  return undefined;
}

const reason = install();
afterAll(() => rmSync(PROJECT, { recursive: true, force: true }));

describe.skipIf(reason)(titled("rejoin/schema out of a packed tarball", reason), () => {
  const compile = (file: string) =>
    run(TSC, "--strict", "--module", "nodenext", "--target", "es2023", "--types", "node", "--outDir", ".", file);

  it("has types that a strict project compiles with, and no others", () => {
    expect(compile("findings.ts")).toEqual({ status: 0, said: "" });
    writeFileSync(
      join(PROJECT, "wrong.ts"),
      'import { decode } from "rejoin/schema";\nexport const n: number = decode("");\n',
    );
    expect(compile("wrong.ts").said).toMatch(/not assignable to type 'number'[\s\S]*not assignable to parameter/);
  });

  it("decodes the golden octets in both encodings", () => {
    const files = GOLDEN.flatMap(({ msgpack, json }) => [msgpack, json]);
    const { status, said } = run(process.execPath, "findings.js", ...files);
    const line = expect.stringMatching(/^2 payload-rewritten 10\.10\.1\.2 -> 10\.20\.1\.2: the payload of 1 packet /);
    expect([status, said.trim().split("\n")]).toEqual([0, [line, line]]);
  });

  it("has the JSON Schemas, and nothing of the tests", () => {
    const program = `
      import schema from "rejoin/schema/session-record.schema.json" with { type: "json" };
      console.log(schema.$id);`;
    writeFileSync(join(PROJECT, "schema.js"), program);
    expect(run(process.execPath, "--no-warnings", "schema.js")).toEqual({
      status: 0,
      said: "urn:rejoin:schema:session-record:1\n",
    });
    expect(readdirSync(join(PROJECT, "node_modules/rejoin/dist"))).not.toContain("test");
  });

  it("has the pages that the program's help names", () => {
    const installed = join(PROJECT, "node_modules/rejoin");
    const verbs = readdirSync(join(ROOT, "collectors"));
    const help = verbs.map((verb) => run(join(PROJECT, "node_modules/.bin/rejoin"), verb, "--help").said).join("");
    const pages = new Set(help.match(/docs\/[\w-]+\.md/g));
    expect(pages.size).toBeGreaterThan(1);
    expect([...pages].filter((page) => !existsSync(join(installed, page)))).toEqual([]);
    expect(readdirSync(installed, { recursive: true }).join("\n")).not.toMatch(/__pycache__|node_modules/);
    expect(run(join(PROJECT, "node_modules/.bin/rejoin"), "--version").status).toBe(0);
  });
});
