import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFailed } from "vitest";
import { commandBlocks, isFollowed } from "../docs/command-blocks.ts";
import { Network, type NodeProcess, stop } from "../lab/network.ts";
import { needs, titled } from "../support/requirements.ts";
import { installBroker } from "./broker.ts";
import { REJOIN } from "./program.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
/** Sessions of the demo, as the README's table has the first two. */
const SESSIONS = ["9043824d", "9febbb6a", "2df62233", "80f25719", "9374f6f8", "982216c7"];
const PATIENCE_MS = 30_000;

/** The blocks below a heading that are to be run, as they stand in a page. */
function blocks(page: string, heading: string, count: number): string[] {
  const found = commandBlocks(page).filter(
    (block) => block.heading === heading && isFollowed(block) && !block.isMarked,
  );
  expect(found).toHaveLength(count);
  return found.map(({ commands }) => commands);
}

const reason = needs("Linux", "root", "network namespaces", "ip", "curl", "Java 17", "mvn") ?? installBroker();
describe.skipIf(reason)(titled("who follows the pages, command by command", reason), () => {
  let folder: string;
  let network: Network;
  /** What goes on, and would be in the way of the next test. */
  const going: NodeProcess[] = [];

  /** A clone as far as the pages go into it, in a network of its own, where ports are as they stand. */
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "rejoin-newcomer-"));
    for (const room of ["collectors", "test"]) symlinkSync(join(ROOT, room), join(folder, room));
    mkdirSync(join(folder, "bin"));
    const program = (name: string, text: string) => {
      writeFileSync(join(folder, "bin", name), `#!/bin/sh\n${text}\n`);
      chmodSync(join(folder, "bin", name), 0o755);
    };
    const rejoin = `exec "${process.execPath}" "${REJOIN}" "$@"`;
    program("rejoin", rejoin);
    // What `npx rejoin` finds in a clone, without npm's second.
    program("npx", `[ "$1" = rejoin ] || exit 127\nshift\n${rejoin}`);
    network = new Network("newcomer");
  });
  afterAll(async () => {
    // Some broker may be there.
    await type("test/support/kafka/kafka.sh wipe");
    await network.close();
    rmSync(folder, { recursive: true });
  });

  afterEach(async () => {
    await Promise.all(going.splice(0).map(stop));
  });

  function terminal(commands: string): NodeProcess {
    const env = {
      ...process.env,
      PATH: `${join(folder, "bin")}:${process.env.PATH}`,
      KAFKA_DATA: join(folder, "kafka"),
      KAFKA_OWNER: String(process.pid),
      // Recordings at four times their pace: nothing else of them changes.
      REJOIN_AGENT__REPLAY__SPEED: "4",
      // Room for all of them: on a busy machine the collector may not have its turn for as long as they come.
      REJOIN_COLLECTOR__LISTEN__RECEIVE_BUFFER_MIB: "128",
      NO_COLOR: "1",
    };
    return network.spawn("newcomer", "bash", ["-euc", `cd ${folder}\n${commands}`], env);
  }

  /** Types commands and waits until they have ended well; returns what they print. */
  async function type(commands: string): Promise<string> {
    const shell = terminal(commands);
    let output = "";
    let errors = "";
    shell.stdout.setEncoding("utf8").on("data", (text) => {
      output += text;
    });
    shell.stderr.setEncoding("utf8").on("data", (text) => {
      errors += text;
    });
    const status = await new Promise((resolve) => shell.once("close", resolve));
    expect([commands, status, status === 0 ? "" : errors]).toEqual([commands, 0, ""]);
    return output;
  }

  /** Types commands that go on, and waits until they say something. */
  async function start(commands: string, pattern: RegExp): Promise<NodeProcess> {
    const shell = terminal(`exec ${commands}`);
    going.push(shell);
    let said = "";
    shell.stderr.setEncoding("utf8").on("data", (text) => {
      said += text;
    });
    // Whether copies were lost, and where, stands there.
    onTestFailed(() => console.error(said));
    await expect.poll(() => said, { timeout: PATIENCE_MS }).toMatch(pattern);
    return shell;
  }

  it("reads captures", async () => {
    const [read = "", retell = ""] = blocks("README.md", "Read captures", 2);
    for (const command of [read, retell])
      expect(await type(command)).toMatch(/^6 sessions of 13 subflows in 38,964 packets$/m);
  });

  it("sees sessions of two agents and a collector in files", async () => {
    const [collect = "", agents = "", consume = ""] = blocks("README.md", "Agent and collector", 3);
    const collector = await start(collect, /listening on/);
    await type(agents);
    expect(await stop(collector)).toBe(0);
    const shown = await type(consume);
    for (const id of SESSIONS) expect(shown).toContain(id);
  });

  it("sees them in Kafka", async () => {
    const [broker = "", collect = "", agents = ""] = blocks("README.md", "Kafka", 3);
    await type(broker);
    const collector = await start(collect, /records go to Kafka/);
    const ended = (shown: string) => SESSIONS.filter((id) => new RegExp(`^\\S+ \\S+ ${id} ended `, "m").test(shown));
    const shown = await type(agents);
    // A session of which a busy machine dropped the last copies ends after ten quiet seconds.
    const again = agents.split("\n").find((line) => line.includes("rejoin.sessions.v1")) ?? "";
    if (ended(shown).length < SESSIONS.length)
      await expect
        .poll(async () => ended(await type(again)), { timeout: PATIENCE_MS, interval: 1000 })
        .toEqual(SESSIONS);
    expect(await stop(collector)).toBe(0);
  });

  it("looks at a machine, and at a collector that runs", async () => {
    writeFileSync(join(folder, "collector.yaml"), "listen: { udp: ['127.0.0.1:4754'] }\nadmin: { listen: 9464 }\n");
    const [doctor = ""] = blocks("docs/operations.md", "Before it starts", 1);
    expect(await type(doctor)).toMatch(/^0 failures, /m);
    const collector = await start("rejoin collect --config collector.yaml", /listening on/);
    const [top = "", debug = ""] = blocks("docs/operations.md", "A look at a running collector", 2);
    expect(await type(top)).toMatch(/, receiving, up \d+ s$/m);
    const answers = (await type(debug)).trimEnd().split("\n");
    expect(answers.map((answer) => Object.keys(JSON.parse(answer))[0])).toEqual(["live", "streams", "name"]);
    expect(await stop(collector)).toBe(0);
  });
});
