import { spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { titled } from "./support/requirements.ts";

/** The build, not the sources: `npm test` makes it first. */
const MAIN = fileURLToPath(new URL("../dist/bin/rejoin.js", import.meta.url));
const unmet = existsSync(MAIN) ? undefined : "needs the build in dist";
const AGENT_FORM =
  "--agent name=router1,address=192.0.2.1,key=7 (address, key or both), and ,encapsulation=erspan for no other";
const VERBS = ["agent", "collect", "read", "consume", "config", "top", "doctor", "demo"];

/** Runs the program; `before` is code that Node runs first, to break something under it. */
function rejoin(args: readonly string[], before = "") {
  const load = before === "" ? [] : ["--import", `data:text/javascript,${encodeURIComponent(before)}`];
  const { status, stdout, stderr } = spawnSync(process.execPath, [...load, MAIN, ...args], {
    encoding: "utf8",
    timeout: 20_000,
  });
  return { status, stdout, stderr };
}

describe.skipIf(unmet)(titled("the command line", unmet), () => {
  it("may be executed after a build, too: npm sees to that only once", () => {
    expect((statSync(MAIN).mode & 0o777).toString(8)).toBe("755");
  });

  it.each([[], ...VERBS.map((verb) => [verb])])("help %s is --help, in at most 80 columns", (...words) => {
    const page = rejoin([...words, "--help"]);
    expect([page.status, page.stderr]).toEqual([0, ""]);
    expect(page.stdout).toContain("Usage: rejoin");
    expect(rejoin(["help", ...words])).toEqual(page);
    // Of an option that is not given nobody needs to read that it is off.
    expect(page.stdout).not.toMatch(/preset: true|default:\s+(false|\[\]|\{\})/);
    expect(page.stdout.split("\n").filter((line) => line.length > 80)).toEqual([]);
  });

  it.each([
    ["a verb that is none", ["raed"], "unknown command 'raed' (Did you mean read?)"],
    ["help of a verb that is none, as an option", ["reed", "--help"], "unknown command 'reed' (Did you mean read?)"],
    [
      "an agent's status without a socket",
      ["agent", "--status"],
      "no status socket is named: rejoin agent --status SOCKET, or --config FILE where it says status.socket",
    ],
    ["help of a verb that is none", ["help", "toString"], "unknown command 'toString'"],
    [
      "a name that a terminal would obey",
      ["collect", "--agent", "\u001b[31mx"],
      `--agent ·[31mx: "·[31mx" is not word=value; write ${AGENT_FORM}`,
    ],
    ["a path that a terminal would obey", ["read", "no\u001b]0;x\u0007.pcap"], "no·]0;x·.pcap: no such file"],
    ["a mistyped option", ["read", "--jsn", "x"], "unknown option '--jsn' (Did you mean --json?)"],
  ])("%s: one line and status 2", (_name, args, line) => {
    expect(rejoin(args)).toEqual({ status: 2, stdout: "", stderr: `rejoin: ${line}\n` });
  });

  it.each([
    ["under the command line", ["--version"], "process.stdout.write = () => { throw new TypeError('one\\ntwo') }"],
    [
      "where nobody waits for it",
      ["consume", "-"],
      "process.stdin.on('newListener', () => setImmediate(() => { throw new TypeError('one\\ntwo') }))",
    ],
    ["that is no Error", ["--version"], "process.stdout.write = () => { throw 'one two' }"],
  ])("a fault of our own %s has a status of its own", (_name, args, before) => {
    const { status, stdout, stderr } = rejoin(args, before);
    expect([status, stdout]).toEqual([70, ""]);
    expect(stderr).toMatch(/^rejoin: internal fault: one two; please report it\n( +at .*\n)+$/);
  });

  it("a reader of its complaint that goes away changes no status", () => {
    const piped = '{ "$0" "$1" 2>&1; echo "$?" >&2; } | true';
    const { stderr } = spawnSync("bash", ["-c", piped, process.execPath, MAIN], { encoding: "utf8", timeout: 20_000 });
    expect(stderr).toBe("2\n");
  });

  const full = existsSync("/dev/full") ? "" : " (needs /dev/full)";
  it.skipIf(full).each([["--help"], ["consume --json -"], ["read collectors/demo/captures/router1.pcap.gz"]])(
    `%s on a full disk: one line and status 2${full}`,
    (words) => {
      const script = `tr -d '\\n' < schema/examples/session-ended.json | "$0" "$1" ${words} > /dev/full`;
      const { status, stderr } = spawnSync("bash", ["-c", script, process.execPath, MAIN], {
        cwd: fileURLToPath(new URL("..", import.meta.url)),
        encoding: "utf8",
      });
      expect([status, stderr]).toEqual([
        2,
        expect.stringMatching(/^rejoin: standard output: cannot be written \(.*\)\n$/),
      ]);
    },
  );
});
