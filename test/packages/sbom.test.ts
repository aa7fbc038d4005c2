import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

interface Package {
  readonly version: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/** Names and versions of all that the program's dependencies need, as Node would look for it. */
function runtimePackages(): Set<string> {
  const { packages } = JSON.parse(readFileSync(`${ROOT}package-lock.json`, "utf8")) as {
    packages: Record<string, Package>;
  };
  const found = new Set<string>();
  const visited = new Set<string>();
  const visit = (at: string) => {
    const { dependencies, optionalDependencies } = packages[at] ?? {};
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
      let folder = at;
      while (folder !== "" && packages[`${folder}/node_modules/${name}`] === undefined) {
        folder = folder.slice(0, Math.max(0, folder.lastIndexOf("/node_modules/")));
      }
      const path = folder === "" ? `node_modules/${name}` : `${folder}/node_modules/${name}`;
      if (visited.has(path)) continue;
      visited.add(path);
      found.add(`${name}@${packages[path]?.version}`);
      visit(path);
    }
  };
  visit("");
  return found;
}

describe("the bill of materials", () => {
  const { status, stdout, stderr } = spawnSync("node", [".ci/sbom.mjs"], { cwd: ROOT, encoding: "utf8" });
  const bill = JSON.parse(stdout || "{}") as {
    bomFormat: string;
    metadata: { component: { name: string; version: string } };
    components: { name: string; version: string; "bom-ref": string; licenses?: unknown[]; hashes?: unknown[] }[];
    dependencies: { ref: string; dependsOn: string[] }[];
  };

  it("is CycloneDX, of this version", () => {
    expect([status, stderr]).toEqual([0, ""]);
    const { version } = JSON.parse(readFileSync(`${ROOT}package.json`, "utf8"));
    expect(bill).toMatchObject({ bomFormat: "CycloneDX", metadata: { component: { name: "rejoin", version } } });
  });

  it("has every package that the program runs with, and none of development", () => {
    const names = bill.components.map(({ name, version }) => `${name}@${version}`);
    expect([...runtimePackages()].filter((name) => !names.includes(name))).toEqual([]);
    expect(names.filter((name) => /^(vitest|typescript|@biomejs)/.test(name))).toEqual([]);
  });

  it("says of each under which licence it stands, and the digest of what npm fetches", () => {
    for (const { name, licenses = [], hashes = [] } of bill.components) {
      expect([name, licenses.length > 0, hashes.length > 0]).toEqual([name, true, true]);
    }
  });

  it("refers to nothing that it does not have", () => {
    const refs = new Set(bill.dependencies.map(({ ref }) => ref));
    expect(bill.dependencies.flatMap(({ dependsOn }) => dependsOn).filter((ref) => !refs.has(ref))).toEqual([]);
  });
});
