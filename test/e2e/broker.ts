import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Network } from "../lab/network.ts";

const SCRIPT = fileURLToPath(new URL("../support/kafka/kafka.sh", import.meta.url));
const CREATE_TOPICS = fileURLToPath(new URL("create-topics.mjs", import.meta.url));

/** Fetches the broker's jars, once per machine. Returns why that cannot be, undefined when they are there. */
export function installBroker(): string | undefined {
  const { status, stderr } = spawnSync("bash", [SCRIPT, "install"], { encoding: "utf8" });
  return status === 0 ? undefined : `no Kafka: ${stderr.trimEnd().split("\n").at(-1)}`;
}

/** A real Kafka broker inside a node, on its loopback address: nothing outside the node can reach it. */
export class Broker {
  readonly address = "127.0.0.1:29092";
  private readonly network: Network;
  private readonly node: string;
  private readonly data = mkdtempSync(join(tmpdir(), "rejoin-kafka-"));

  constructor(network: Network, node: string) {
    this.network = network;
    this.node = node;
  }

  /** Starts it with these topics. Throws when it does not come up. */
  start(...topics: readonly string[]): void {
    this.script("start");
    this.network.exec(this.node, process.execPath, CREATE_TOPICS, this.address, ...topics);
  }

  /** Ends it and deletes its data. */
  wipe(): void {
    this.script("wipe");
    rmSync(this.data, { recursive: true, force: true });
  }

  private script(verb: string): void {
    this.network.exec(this.node, "env", `KAFKA_DATA=${this.data}`, "KAFKA_PORT=29092", "bash", SCRIPT, verb);
  }
}
