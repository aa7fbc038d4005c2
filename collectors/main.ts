#!/usr/bin/env node
import { setFlagsFromString } from "node:v8";
import { Command, CommanderError, Help, type Option } from "commander";
import { OperationalError } from "./runtime/errors.ts";
import { VERSION } from "./runtime/version.ts";
import { printable } from "./terminal/text.ts";

/** A verb's page: its options, help text and action. Loaded only when the verb is used. */
type VerbModule = { command(): Command };

const VERBS: Record<string, { summary: string; load: () => Promise<VerbModule> }> = {
  agent: {
    summary: "copy MPTCP subflows at the edge and send them to a collector",
    load: () => import("./agent/command.ts"),
  },
  collect: {
    summary: "receive copies, put sessions together, publish records",
    load: () => import("./central/command.ts"),
  },
  read: { summary: "put sessions together out of capture files", load: () => import("./offline/command.ts") },
  consume: {
    summary: "print records from a topic, a file or standard input",
    load: () => import("./consume/command.ts"),
  },
  config: {
    summary: "check and print configurations of collector, agent and consumer",
    load: () => import("./configuration/command.ts"),
  },
  top: { summary: "show a running collector, live", load: () => import("./top/command.ts") },
  doctor: {
    summary: "look whether a machine can be an agent's or a collector's",
    load: () => import("./doctor/command.ts"),
  },
  demo: { summary: "agents and collector on loopback over recorded sessions", load: () => import("./demo/command.ts") },
};

// The loops that every packet takes hardly call anything and use no array's methods; all else is rare. Less inlining there
// (920 octets of bytecode by default) leaves the compiler less to do.
setFlagsFromString("--max-inlined-bytecode-size-cumulative=300");
setFlagsFromString("--no-turbo-inline-array-builtins");

/** Exit status for a fault of our own (sysexits.h: EX_SOFTWARE), which must not look like a verb's 1 or 2. */
const INTERNAL_FAULT = 70;

const EXIT_STATUSES = `
Each verb has its own help with examples: rejoin read --help

Exit status: 0 all went well; 1 it was done, and something was not as it should
be, each thing named on standard error; 2 it could not be done, or the command
line is wrong; 70 a fault of rejoin itself: please report it.`;

/** Runs the command line and returns the exit status: 0, or 2 with one line on standard error for a wrong one. */
async function main(words: readonly string[]): Promise<number> {
  const argv = helpAsOption(words);
  const program = new Command("rejoin")
    .description("Puts Multipath TCP sessions back together.")
    .version(VERSION, "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .helpCommand("help [verb]", "print this help, or a verb's")
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(oneLine(text.replace(/^error: /, "rejoin: "))) })
    .configureHelp({ optionDescription })
    .addHelpText("after", EXIT_STATUSES);
  const verb = argv.find((word) => !word.startsWith("-"));
  for (const [name, { summary, load }] of Object.entries(VERBS)) {
    const sub = name === verb ? (await load()).command().summary(summary) : new Command(name).summary(summary);
    program.addCommand(sub.exitOverride().copyInheritedSettings(program).helpOption("-h, --help", "print this help"));
  }
  try {
    await program.parseAsync(argv, { from: "user" });
    return typeof process.exitCode === "number" ? process.exitCode : 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    // A verb that waits for its last connections may; our own faults end the process whatever is still open.
    if (error instanceof OperationalError) return complaint(error);
    return process.exit(complaint(error));
  }
}

/** An option's line of a page, without defaults that say nothing: an option that is not given is off, and a list empty. */
function optionDescription(option: Option): string {
  return new Help().optionDescription(option).replace(/ \((?:preset: true|default: (?:false|\[\]|\{\}))\)$/, "");
}

/**
 * `help`, `help VERB` as `--help`, `VERB --help`: a verb's page is loaded only when its name comes first. A verb that is
 * none has no page: without the rest of the line it is refused.
 */
function helpAsOption(words: readonly string[]): readonly string[] {
  const [first, verb, ...rest] = words;
  if (first !== undefined && first !== "help" && !first.startsWith("-") && !Object.hasOwn(VERBS, first)) return [first];
  if (first !== "help") return words;
  if (verb === undefined) return ["--help"];
  return Object.hasOwn(VERBS, verb) ? [verb, "--help"] : [verb, ...rest];
}

/**
 * Commander adds its guess of what was meant as a line of its own; names of files and words of the command line may
 * hold what a terminal would obey.
 */
function oneLine(text: string): string {
  return `${printable(text.trimEnd().replace(/\s*\n\s*/g, " "))}\n`;
}

/** Tells on standard error why nobody can go on; returns the exit status. The stack is told of our own faults only. */
function complaint(error: unknown): number {
  if (error instanceof OperationalError) {
    process.stderr.write(oneLine(`rejoin: ${error.message}`));
    return error.exitStatus;
  }
  const fault = error instanceof Error ? error : new Error(String(error));
  const frames = fault.stack?.match(/^ +at .*$/gm) ?? [];
  process.stderr.write(oneLine(`rejoin: internal fault: ${fault.message}; please report it`));
  for (const frame of frames) process.stderr.write(`${printable(frame)}\n`);
  return INTERNAL_FAULT;
}

// What is thrown where nobody waits for it: in timers, in listeners, in promises that were left alone.
process.on("uncaughtException", (error) => process.exit(complaint(error)));

// A reader that goes away (`--help | head -1`) is no error; verbs that write much listen themselves.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE" || process.stdout.listenerCount("error") > 1) return;
  throw new OperationalError("output-unwritable", `standard output: cannot be written (${error.message})`);
});

// Nor is a reader of error lines that goes away. Of any other trouble with them there is nowhere to tell.
process.stderr.on("error", () => {});

process.exitCode = await main(process.argv.slice(2));
