import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { fastOpened, forgetHosts, type KernelView, kernelView } from "./kernel-view.ts";
import { type Network, type NodeProcess, stop } from "./network.ts";
import { abortConnections, connectionStates } from "./quiet.ts";

const PEER = fileURLToPath(new URL("peer.py", import.meta.url));
/** What a peer says next takes no longer on a busy machine, where the kernel lets it go on at all. */
const PATIENCE_MS = 20_000;
/** A peer that is asked where it stands has so long to say it. */
const ANSWER_MS = 500;

/** A transfer stood still, as Linux 6.18 lets one do whose buffers are small (docs/testing.md): it may be tried again. */
export class StalledTransfer extends Error {}

/** What an application says of one connection. */
export interface Conversation {
  /** Address and port. */
  readonly local: readonly [string, number];
  readonly remote: readonly [string, number];
  /** Its own token: what the other side puts into MP_JOIN to reach it. */
  readonly token: string;
  readonly sent: { readonly octets: number; readonly sha256: string };
  readonly received: { readonly octets: number; readonly sha256: string };
}

/** What both applications and both kernels say of a transfer. */
export interface TransferTruth {
  readonly client: readonly Conversation[];
  readonly server: readonly Conversation[];
  /** Asked when all octets had arrived and before anything was closed. */
  readonly kernel: { readonly client: KernelView; readonly server: KernelView };
  /** Connections of it that the server accepted with data in their SYN. */
  readonly fastOpened: number;
}

export interface TransferOptions {
  readonly clientAddress: string;
  readonly serverAddress: string;
  /** Connections at the same time. */
  readonly connections: number;
  /** Octets of each connection, by who sends them. */
  readonly fromClient: number;
  readonly fromServer: number;
  /** Of `fromClient`, octets that go with the SYN (TCP Fast Open); 0 where it is absent. */
  readonly opening?: number;
  /** Both ends read so slowly that windows close; as fast as they can where it is absent. */
  readonly isSlow?: boolean;
}

/**
 * Transfers octets both ways between client and server of the lab, over MPTCP. Throws when a peer fails, and a
 * `StalledTransfer` when it hangs; no program and no connection of it is left then.
 */
export async function transfer(network: Network, options: TransferOptions): Promise<TransferTruth> {
  const { connections, fromClient, fromServer, clientAddress, serverAddress, opening = 0 } = options;
  const pace = options.isSlow ? "slow" : "fast";
  // Its first connection has no cookie, whatever came before.
  if (opening > 0) forgetHosts(network, "client");
  const openedBefore = fastOpened(network, "server");
  const peers: Peer[] = [];
  const start = (node: string, ...args: readonly (string | number)[]): Peer => {
    const peer = new Peer(network, node, args);
    peers.push(peer);
    return peer;
  };
  try {
    const server = start("server", "serve", serverAddress, "0", connections, fromServer, fromClient, pace);
    const port = (await server.next<{ listening: number }>()).listening;
    const ends = [port, connections, fromClient, fromServer, pace, clientAddress, opening] as const;
    const client = start("client", "connect", serverAddress, ...ends);
    const said: [Conversation[], Conversation[]] = [[], []];
    for (let i = 0; i < connections; i++) {
      said[0].push(await client.next<Conversation>());
      said[1].push(await server.next<Conversation>());
    }
    const kernel = { client: kernelView(network, "client", port), server: kernelView(network, "server", port) };
    const opened = fastOpened(network, "server") - openedBefore;
    client.release();
    server.release();
    await Promise.all([client.next(), server.next()]);
    await Promise.all(peers.map((peer) => peer.end()));
    return { client: said[0], server: said[1], kernel, fastOpened: opened };
  } catch (error) {
    // Before anything is ended, for then it looks otherwise.
    if (error instanceof StalledTransfer) error.message += `\n${connectionStates(network)}`;
    if (error instanceof StalledTransfer) for (const peer of peers) error.message += await peer.whereabouts();
    await Promise.all(peers.map((peer) => peer.end()));
    abortConnections(network);
    throw error;
  }
}

/** A running peer.py, read line by line. */
class Peer {
  private readonly child: NodeProcess;
  private readonly lines: AsyncIterator<string>;
  private readonly node: string;
  private errors = "";

  constructor(network: Network, node: string, args: readonly (string | number)[]) {
    this.node = node;
    this.child = network.spawn(node, "python3", ["-u", PEER, ...args.map(String)]);
    this.child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.errors += text;
    });
    this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
  }

  async next<T>(): Promise<T> {
    const patience = new AbortController();
    const late = setTimeout(PATIENCE_MS, null, { signal: patience.signal }).catch(() => null);
    const line = await Promise.race([this.lines.next(), late]);
    patience.abort();
    if (line === null) throw new StalledTransfer(`peer.py on the ${this.node} said nothing for ${PATIENCE_MS} ms`);
    if (line.done) throw new Error(`peer.py ended early: ${this.errors.trimEnd().split("\n").at(-1)}`);
    return JSON.parse(line.value) as T;
  }

  /** What each of its threads is doing, by its own word. */
  async whereabouts(): Promise<string> {
    this.child.kill("SIGUSR1");
    await setTimeout(ANSWER_MS);
    return `peer.py on the ${this.node}: ${this.child.exitCode ?? this.child.signalCode ?? "runs"}\n${this.errors}`;
  }

  /** Lets it close its connections. */
  release(): void {
    this.child.stdin.end("\n");
  }

  async end(): Promise<void> {
    await stop(this.child);
  }
}
