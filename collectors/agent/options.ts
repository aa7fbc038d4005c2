import { hostname } from "node:os";
import { type Command, InvalidArgumentError, Option } from "commander";
import { agentConfiguration } from "../../schema/configuration/agent.ts";
import { type Configuration, loadConfiguration } from "../runtime/configuration.ts";
import { OperationalError } from "../runtime/errors.ts";
import { givenOptions } from "../runtime/given-options.ts";

/** Where each option stands in the configuration. */
const PATHS = {
  interface: "capture.interfaces",
  replay: "replay.files",
  speed: "replay.speed",
  collector: "collector",
  encapsulation: "encapsulation",
  key: "key",
  snap: "snap",
  fragment: "fragment",
  direction: "capture.direction",
  promiscuous: "capture.promiscuous",
  capture: "capture.method",
  maxFlows: "maxFlows",
  name: "name",
};

/** Options of an agent that captures, and of one that replays, alone. */
const OF_CAPTURE = ["--direction", "--promiscuous", "--capture"];
const OF_REPLAY = ["--speed"];

/** Adds the options of `rejoin agent` that stand for keys of its configuration. */
export function addOptions(command: Command): Command {
  const { maxFlows, encapsulation, replay, capture } = agentConfiguration.parse({});
  return command
    .option("--config <file>", "YAML; what options say beside it wins over it")
    .option("-i, --interface <name...>", "capture on these interfaces")
    .option("-r, --replay <file...>", "read capture files (pcap, pcapng, .gz, .zst) instead, merged by time")
    .addOption(
      new Option("--speed <speed>", "pace of a replay: realtime, a factor such as 10 or 0.5, or max")
        .default(replay.speed, "realtime")
        .argParser(speed),
    )
    .option("-c, --collector <host[:port]>", "where the copies go")
    .addOption(
      new Option("-e, --encapsulation <kind>", "udp: GRE in UDP (RFC 8086); gre: IP protocol 47")
        .choices(["udp", "gre"])
        .default(encapsulation),
    )
    .option("-k, --key <number>", "GRE key (RFC 2890) in every copy, decimal or 0x...", number("a key", 0, 0xffffffff))
    .addOption(
      new Option(
        "-s, --snap <octets>",
        "cut longer packets to so many octets; auto: to what the path takes unfragmented",
      )
        .default(null, "auto")
        .argParser((text) => (text === "auto" ? null : number("a snap length", 100, 65_535)(text))),
    )
    .option("--fragment", "send copies that are too long for the path whole, in IP fragments", false)
    .addOption(
      new Option(
        "--direction <which>",
        "packets that arrive, or also those that leave (default: both on one interface, in on several)",
      ).choices(["in", "both"]),
    )
    .option("--promiscuous", "also packets to other hosts, on a mirror port", false)
    .addOption(
      new Option(
        "--capture <how>",
        "packet ring, or tcpdump's pipe; auto: tcpdump where the ring is not to be had; nft, tc: the kernel copies, by rules",
      )
        .choices(["auto", "ring", "tcpdump", "nft", "tc"])
        .default(capture.method),
    )
    .option(
      "--max-flows <number>",
      "flows copied at a time; the longest idle one gives way",
      number("a bound", 1, 2 ** 20),
      maxFlows,
    )
    .option("--name <name>", "stands in the log", hostname());
}

/** The configuration that file, environment and options give. Throws an OperationalError for what cannot be. */
export function configurationOf(command: Command): Configuration<"agent"> {
  const given = givenOptions(command, PATHS);
  const says = (name: string) => given.some(({ from }) => from === name);
  if (says("--interface") && says("--replay")) {
    throw new OperationalError(
      "usage",
      "--interface and --replay exclude each other; rejoin agent --help has examples",
    );
  }
  // Where packets come from is said by two options: one of them is the whole answer.
  if (says("--interface")) given.push({ path: ["replay", "files"], value: [], from: "--interface" });
  if (says("--replay")) given.push({ path: ["capture", "interfaces"], value: [], from: "--replay" });
  // How the file has interfaces captured is then of no interest, either.
  if (says("--replay") && !says("--capture")) {
    given.push({ path: ["capture", "method"], value: "auto", from: "--replay" });
  }
  const { config = null } = command.opts<{ config?: string }>();
  const configuration = loadConfiguration("agent", { file: config, environment: process.env, options: given });
  const replays = configuration.values.replay.files.length > 0;
  const idle = (replays ? OF_CAPTURE : OF_REPLAY).find(says);
  if (idle !== undefined) {
    const why = replays ? "files are replayed" : "packets come from interfaces";
    throw new OperationalError("usage", `${idle} has no effect: ${why}; leave it out`);
  }
  return configuration;
}

function speed(text: string): number | "max" {
  if (text === "realtime") return 1;
  if (text === "max") return text;
  const factor = Number(text);
  if (!(factor > 0 && Number.isFinite(factor)))
    throw new InvalidArgumentError("write realtime, max, or a factor above 0.");
  return factor;
}

function number(what: string, least: number, most: number): (text: string) => number {
  return (text) => {
    const value = /^(0x[0-9a-f]+|\d+)$/i.test(text) ? Number(text) : Number.NaN;
    if (!(value >= least && value <= most))
      throw new InvalidArgumentError(`${what} is a number from ${least} to ${most}.`);
    return value;
  };
}
