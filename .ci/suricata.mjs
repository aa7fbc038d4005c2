// Installs Suricata, which Debian 12 has in its backports only. Of the machine nothing else changes, but that the service of
// Suricata is masked, as long as it is there.
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

const UNIT = "/etc/systemd/system/suricata.service";
const INSTALL = ["install", "-y", "--no-install-recommends"];

/** What a program prints, in English. */
const textOf = (program, ...args) =>
  spawnSync(program, args, { encoding: "utf8", env: { ...process.env, LC_ALL: "C" } }).stdout ?? "";

/**
 * Masks the service: a machine is to run no detector because of tests. Where a unit stands there it is somebody's wish: false,
 * and nothing is done.
 */
function maskService() {
  mkdirSync(dirname(UNIT), { recursive: true });
  try {
    symlinkSync("/dev/null", UNIT);
    return true;
  } catch (error) {
    if (error.code !== "EEXIST") throw error;
    return false;
  }
}

/** Sources that name the backports of the mirror this machine uses, in a folder; null where there is no such mirror. */
function backports(folder) {
  const codename = /^VERSION_CODENAME=(\S+)$/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1];
  const filters = ["Created-By: Packages", `Codename: ${codename}`];
  const targets = textOf("apt-get", "indextargets", "--format", "$(REPO_URI) $(SIGNED_BY)", ...filters);
  const [mirror = "", key = ""] = (targets.split("\n")[0] ?? "").split(" ");
  if (codename === undefined || mirror === "") return null;
  // apt-get fetches as a user of its own.
  chmodSync(folder, 0o755);
  for (const path of ["lists/partial", "cache/archives/partial"]) mkdirSync(join(folder, path), { recursive: true });
  const sources = join(folder, "backports.sources");
  const suites = `${codename} ${codename}-updates ${codename}-backports`;
  const signed = key.startsWith("/") ? `Signed-By: ${key}\n` : "";
  writeFileSync(sources, `Types: deb\nURIs: ${mirror}\nSuites: ${suites}\nComponents: main\n${signed}`);
  const places = { "Dir::State::lists": join(folder, "lists"), "Dir::Cache": join(folder, "cache") };
  const settings = { "Dir::Etc::sourcelist": sources, "Dir::Etc::sourceparts": "/dev/null", ...places };
  const options = Object.entries(settings).flatMap(([key, value]) => ["-o", `${key}=${value}`]);
  return { options, suite: `${codename}-backports` };
}

/**
 * Installs Suricata out of the machine's own sources, as of the last `apt-get update`, or else out of the backports. `run` is
 * told a program and its arguments, and says whether that ended well; false where one did not, or there are no backports.
 */
export function installSuricata(run) {
  try {
    const isMasked = maskService();
    const isThere = install(run);
    if (isMasked && !isThere) rmSync(UNIT, { force: true });
    return isThere;
  } catch {
    // Nobody may write there.
    return false;
  }
}

function install(run) {
  const folder = mkdtempSync(join(tmpdir(), "rejoin-backports-"));
  try {
    if (/Candidate: \d/.test(textOf("apt-cache", "policy", "suricata")))
      return run("apt-get", ["-qq", ...INSTALL, "suricata"]);
    const found = backports(folder);
    if (found === null || !run("apt-get", ["-qq", ...found.options, "update"])) return false;
    return run("apt-get", ["-qq", ...found.options, ...INSTALL, "-t", found.suite, "suricata"]);
  } catch {
    return false;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
