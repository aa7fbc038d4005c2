import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { CollectorReport } from "../../collectors/central/collector-contract.ts";
import type { SessionRecord } from "../../schema/session-record.ts";
import { Network, type NodeProcess } from "../lab/network.ts";
import { ENCAPSULATED, essence, framesOf, onlyEncapsulated } from "../support/encapsulated.ts";
import { needs, titled } from "../support/requirements.ts";

const reason = needs("root", "network namespaces", "ip", "ethtool", "python3", "raw-socket");
const at = (file: string): string => fileURLToPath(new URL(file, import.meta.url));

/** Where scapy's packets go (test/decapsulate/encapsulated/make.py). */
const COLLECTOR = ["198.51.100.9/24", "2001:db8:1::9/64"];

/** A program that answers each line with one. */
class Answers {
  private readonly child: NodeProcess;
  private readonly lines: AsyncIterator<string>;
  private errors = "";

  constructor(child: NodeProcess) {
    this.child = child;
    this.lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.errors += text;
    });
  }

  async ask(line: string): Promise<string> {
    if (!this.child.stdin.write(`${line}\n`)) await once(this.child.stdin, "drain");
    const { done, value } = await this.lines.next();
    if (done) throw new Error(`ended: ${this.errors}`);
    return value;
  }
}

type Told = Pick<CollectorReport, "agents" | "sources"> & {
  readonly records: SessionRecord[];
  readonly packets: CollectorReport["totals"]["packets"];
};

/** Each has a collector and a wire of its own: most of the time of a cell is waiting. */
const LANES = [4, 6].flatMap((outer) => [4, 6].map((inner) => ({ outer, inner, name: `${outer}${inner}` })));

describe.skipIf(reason !== undefined)(titled("sockets take every encapsulation from the wire", reason), () => {
  let network: Network;
  const cells: string[] = [];

  beforeAll(() => {
    network = new Network(...LANES.flatMap(({ name }) => [`wire${name}`, `collector${name}`]));
    for (const { name } of LANES) {
      network.link(
        { node: `wire${name}`, name: "out", addresses: [] },
        { node: `collector${name}`, name: "in", addresses: COLLECTOR },
      );
      // Room for a whole packet of 1,500 octets behind its delivery headers.
      network.ip(`wire${name}`, "link", "set", "out", "mtu", "1700");
      network.ip(`collector${name}`, "link", "set", "in", "mtu", "1700");
    }
  });
  afterAll(async () => {
    await network?.close();
    process.stdout.write(
      `\nEncapsulation x outer IP < inner IP x fragments, through the collector's sockets:\n${table(cells)}\n`,
    );
  });

  test("as many sessions as without it, and the same", async () => {
    await Promise.all(LANES.map((lane) => fill(network, lane, cells)));
    expect(cells).toHaveLength(ENCAPSULATED.length * 8);
  });
});

/** Fills the cells of one pair of IP versions; throws at the first that is not as it should be. */
async function fill(network: Network, { outer, inner, name: lane }: (typeof LANES)[number], cells: string[]) {
  const program = at("../../dist/test/e2e/live-matrix/collector.js");
  const collector = new Answers(network.spawn(`collector${lane}`, process.execPath, [program]));
  const [{ address = "" } = {}] = JSON.parse(network.ip(`collector${lane}`, "-j", "link", "show", "in"));
  const wire = new Answers(network.spawn(`wire${lane}`, "python3", [at("live-matrix/inject.py"), "out", address]));
  const whole = `outer${outer}-inner${inner}.pcap.gz`;
  const plain = await onlyEncapsulated(whole, 0);
  expect(plain.records.length).toBeGreaterThan(0);
  for (const pieces of ["", "-fragments"]) {
    const frames = await framesOf(whole.replace(".pcap", `${pieces}.pcap`));
    for (const [n, name] of ENCAPSULATED.entries()) {
      await collector.ask("start");
      const own = frames.filter(({ number }) => number === n + 1);
      await wire.ask(own.map(({ frame }) => Buffer.from(frame).toString("hex")).join(" "));
      const told = JSON.parse(await collector.ask("stop")) as Told;
      const cell = `${name} ${outer}<${inner}${pieces}`;
      expect(told.packets, cell).toEqual(plain.totals.packets);
      expect(essence(told.records), cell).toEqual(essence(plain.records));
      cells.push(cell);
    }
  }
}

/** A row for each encapsulation, a column for each of the other three; "ok" where the cell is green. */
function table(cells: readonly string[]): string {
  const columns = LANES.flatMap(({ outer, inner }) => ["", "-fragments"].map((pieces) => `${outer}<${inner}${pieces}`));
  const head = columns.map((column) => column.replace("-fragments", "f").padEnd(6)).join("");
  const rows = ENCAPSULATED.map((name) => {
    const marks = columns.map((column) => (cells.includes(`${name} ${column}`) ? "ok" : "-").padEnd(6));
    return `${name.padEnd(24)}${marks.join("")}`;
  });
  return [" ".repeat(24) + head, ...rows].join("\n");
}
