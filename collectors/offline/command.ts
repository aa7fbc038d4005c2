import { Argument, Command, InvalidArgumentError } from "commander";
import { readListenAddress } from "../../schema/configuration/listen-address.ts";
import { ASSIGNED_PORTS, UDP_ENCAPSULATIONS, type UdpEncapsulation } from "../../schema/encapsulation.ts";
import { MAX_FILES } from "./captures.ts";
import { Interruption } from "./interruption.ts";
import { type ReadOptions, read } from "./reading.ts";

const HELP = `
Files are pcap or pcapng of any usual link type, plain, gzip or zstd, whatever
their names; - is standard input. They may hold the mirrored traffic itself or
agents' GRE copies of it. Several files (at most ${MAX_FILES}) are one observation:
packets are merged by time, in whatever order the files are named, and a packet
that two files saw counts once. In records a file stands as the agent of its
name: router1.pcap.gz is router1.

The first SIGINT (Ctrl-C) or SIGTERM is the end of what is read: what came
before is told as at the end of a file. A second one ends it at once.

Exit status: 0 every file was read to its end; 1 one was cut short or damaged,
and what could be read of it was reported; 2 one could not be read at all, or
the command line is wrong; 130 SIGINT ended it, 143 SIGTERM did.

Examples:
  Which MPTCP sessions are in a capture?
    rejoin read capture.pcap
  Two routers saw different subflows; put them together, check every octet:
    rejoin read --json --digest router1.pcap.gz router2.pcap.gz
  What is wrong with the sessions, as records?
    rejoin read --json --findings *.pcap | grep '"rejoin.finding"'
  Only count, over a large capture:
    rejoin read --summary big.pcapng.zst
  What did each side send, in order?
    rejoin read --streams streams capture.pcap
  Have an intrusion detector see whole sessions, whatever subflows they took:
    rejoin read --plain-tcp whole.pcap router1.pcap router2.pcap
    suricata -r whole.pcap --set stream.inline=yes
  Sessions of more than a megabyte, with jq:
    rejoin read --json *.pcap | jq 'select(.mptcp.stream.responder.octets>1e6)'
  From a live capture, as it comes:
    tcpdump -U -i eth0 -w - tcp | rejoin read --json -
`;

/** The page of `rejoin read`. */
export function command(): Command {
  return new Command("read")
    .description("Reads capture files: which MPTCP sessions are in them, put together from all their subflows.")
    .addArgument(new Argument("<file...>", "capture files, or - for standard input"))
    .option("--json", "one record per line on standard output (with --summary: the totals as one object)")
    .option("--summary", "count only: packets by fate, sessions, subflows, octets, verdicts")
    .option(
      "--streams <dir>",
      "write what each side sent to DIR/<session id>.initiator and .responder, over files of that name; holes are zeros; DIR is made, in a folder that exists",
    )
    .option("--digest", "with --json: add the SHA-256 of both streams to each record, up to the stream's first hole")
    .option("--partial", "also sessions of which no handshake was seen, and joins without their session")
    .option("--findings", "with --json: findings as records, each after its session's; with --summary: count them")
    .option(
      "--plain-tcp <file>",
      "write each session as one plain TCP connection to a pcap file, over one of that name: for programs without MPTCP",
    )
    .option(
      "--udp-port <name=port>",
      "what comes to another than the assigned port, as vxlan=8473; repeatable",
      addUdpPort,
      {},
    )
    .option("--tunnel-depth <number>", "most delivery headers around a packet, 1 to 16", tunnelDepth, 4)
    .addHelpText("after", HELP)
    .action(async (files: string[], options: ReadOptions) => {
      process.exitCode = await read(files, options, process, new Interruption(process));
    });
}

function addUdpPort(text: string, before: Readonly<Record<number, UdpEncapsulation>>) {
  const { host, port, encapsulation } = readListenAddress(text) ?? { host: null, port: 0, encapsulation: null };
  if (host !== null || port === 0 || encapsulation === null) {
    throw new InvalidArgumentError(`Write one of ${UDP_ENCAPSULATIONS.join(", ")}, and a port: vxlan=8473.`);
  }
  const owner = UDP_ENCAPSULATIONS.find((one) => ASSIGNED_PORTS[one] === port);
  if (owner !== undefined) throw new InvalidArgumentError(`Port ${port} is read as ${owner} anyway; name another.`);
  return { ...before, [port]: encapsulation };
}

function tunnelDepth(text: string): number {
  const depth = /^\d{1,2}$/.test(text) ? Number(text) : 0;
  if (depth < 1 || depth > 16) throw new InvalidArgumentError("It is a whole number from 1 to 16.");
  return depth;
}
