import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import { Network } from "../../lab/network.ts";
import { needs, type Requirement } from "../../support/requirements.ts";
import type { Portion, SendWorkload } from "../programs/send.ts";
import { wordsOf } from "../programs.ts";
import type { FrameKind } from "./frames.ts";
import { MeasuredProcess } from "./process.ts";

/** Each has a core of its own: what the receiving kernel does for a veth packet is done on the sender's. */
const SENDER_CORE = "0";
const RECEIVER_CORE = "1";
/** The receiver, as copies address it: `putDelivery`. */
const RECEIVER_LINK = "02:00:00:00:00:64";
const RECEIVER_ADDRESS = "172.31.0.100";
const SENDER_ADDRESS = "172.31.0.11";
/** Where an agent's copies go: nobody is there, and no kernel answers, as the frames are addressed to somebody else. */
export const SINK_ADDRESS = "172.31.1.100";
const SINK_LINK = "02:00:00:00:00:99";
/** The interface that packets arrive at. */
export const INTERFACE = "wire0";
const PORT = 4754;
/** After the last packet: a block of a ring, and what waits in a queue. */
const SETTLE_MS = 300;
const ENDLESS = { sessions: 1000, packetsPerSubflow: null };
const SEED = 4;

/** Why live rows cannot be measured on this machine; undefined where they can. */
export const missingForWire = (...more: readonly Requirement[]): string | undefined =>
  needs("Linux", "root", "network namespaces", "ethtool", "taskset", "koffi", ...more);

/** sender -(veth)- receiver -(veth)- sink: namespaces of its own, and a sender that has its packets in memory. */
export class Wire {
  private readonly network = new Network("sender", "receiver", "sink");
  private lines: AsyncIterator<string> | null = null;
  private say: (line: string) => void = () => {};

  /** Builds it, and has the sender make so many packets: of 1,000 sessions without an end, or of these. */
  static async open(
    kind: FrameKind,
    packets: number,
    ending: { readonly sessions: number; readonly packetsPerSubflow: number | null } = ENDLESS,
  ): Promise<Wire> {
    const wire = new Wire();
    try {
      await wire.build({
        kind,
        packets,
        interfaceName: INTERFACE,
        address: RECEIVER_ADDRESS,
        port: PORT,
        ...ending,
        seed: SEED,
      });
      return wire;
    } catch (error) {
      await wire.close();
      throw error;
    }
  }

  /** Starts a program at the receiver, alone on its core, its output thrown away. */
  start(program: string, args: readonly string[]): MeasuredProcess {
    const words = ["-c", RECEIVER_CORE, "sh", "-c", 'exec "$@" >/dev/null', "sh", program, ...args];
    return new MeasuredProcess(this.network.spawn("receiver", "taskset", words));
  }

  /** Sends a portion of the packets and lets the receiver take all of it. Returns the seconds that sending took. */
  async send(portion: Portion): Promise<number> {
    this.say(JSON.stringify(portion));
    const { seconds } = JSON.parse(await this.line()) as { seconds: number };
    await setTimeout(SETTLE_MS);
    return seconds;
  }

  close(): Promise<void> {
    return this.network.close();
  }

  private async build(workload: SendWorkload): Promise<void> {
    const { network } = this;
    network.link(
      { node: "sender", name: INTERFACE, addresses: [`${SENDER_ADDRESS}/24`] },
      { node: "receiver", name: INTERFACE, addresses: [`${RECEIVER_ADDRESS}/24`] },
    );
    network.link(
      { node: "receiver", name: "copies0", addresses: ["172.31.1.1/24"] },
      { node: "sink", name: "copies0", addresses: [] },
    );
    // A network card finishes the checksums of what it sends.
    network.exec("receiver", "ethtool", "-K", "copies0", "tx", "on");
    network.ip("receiver", "link", "set", INTERFACE, "address", RECEIVER_LINK);
    network.ip("receiver", "neighbor", "add", SINK_ADDRESS, "lladdr", SINK_LINK, "dev", "copies0");
    network.ip("sender", "neighbor", "add", RECEIVER_ADDRESS, "lladdr", RECEIVER_LINK, "dev", INTERFACE);
    const words = ["-c", SENDER_CORE, process.execPath, ...wordsOf("send", [JSON.stringify(workload)])];
    const child = network.spawn("sender", "taskset", words);
    child.stderr.pipe(process.stderr);
    this.say = (line) => child.stdin.write(`${line}\n`);
    this.lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    await this.line();
  }

  private async line(): Promise<string> {
    const next = await this.lines?.next();
    if (next === undefined || next.done) throw new Error("the sender has failed");
    return next.value;
  }
}
