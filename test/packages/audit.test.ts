import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

let registry: Server | undefined;
/** Nothing that another registry said. */
const cache = mkdtempSync(join(tmpdir(), "rejoin-audit-"));
afterEach(() => registry?.close());
afterAll(() => rmSync(cache, { recursive: true, force: true }));

/** What a registry tells of a package: the version of the lock file. */
function packument(name: string): object {
  const { packages } = JSON.parse(readFileSync(`${ROOT}package-lock.json`, "utf8"));
  const version = packages[`node_modules/${name}`].version;
  return { name, "dist-tags": { latest: version }, versions: { [version]: { name, version } } };
}

/** Runs `npm run audit` against a registry that answers this; what it prints, and its exit status. */
async function auditAt(status: number, advisories: object): Promise<{ code: number | null; said: string }> {
  const server = createServer((request, response) => {
    const answer = request.method === "POST" ? advisories : packument(request.url?.slice(1) ?? "");
    request.resume().on("end", () => {
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(answer));
    });
  });
  registry = server;
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const env = {
    ...process.env,
    npm_config_cache: cache,
    npm_config_registry: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
  };
  const child = spawn("node", [".ci/audit.mjs"], { cwd: ROOT, env });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text) => {
      said += text;
    });
  }
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { code, said };
}

const advisory = (name: string) => ({
  [name]: [{ id: 1, url: "https://example.net/1", title: "Harm", severity: "high", vulnerable_versions: "<999" }],
});

test("a registry that knows nothing against the packages", async () => {
  expect(await auditAt(200, {})).toEqual({ code: 0, said: "audit: passed\n" });
});

test("a weakness of a package that rejoin runs with fails", async () => {
  const { code, said } = await auditAt(200, advisory("zod"));
  expect([code, said]).toEqual([1, expect.stringContaining("zod, high: Harm (https://example.net/1)\n")]);
});

test("a weakness of a package of development is told", async () => {
  const { code, said } = await auditAt(200, advisory("wabt"));
  expect([code, said]).toEqual([0, "wabt, high, in development alone: Harm (https://example.net/1)\naudit: passed\n"]);
});

test("a registry that gives no answer is no answer", async () => {
  const { code, said } = await auditAt(405, {});
  expect([code, said]).toEqual([0, expect.stringMatching(/^the registry does not answer: .*\naudit: skipped\n$/)]);
});
