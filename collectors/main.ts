#!/usr/bin/env node
import { Command, CommanderError } from "commander";
import { OperationalError } from "./runtime/errors.ts";
import { VERSION } from "./runtime/version.ts";

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
  demo: { summary: "agents and collector on loopback over recorded sessions", load: () => import("./demo/command.ts") },
};

/** Runs the command line and returns the exit status: 0, or 2 with one line on standard error for a wrong one. */
async function main(argv: readonly string[]): Promise<number> {
  const program = new Command("rejoin")
    .description("Puts Multipath TCP sessions back together.")
    .version(VERSION, "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .helpCommand(false)
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, "rejoin: ")) })
    .addHelpText("after", "\nEach verb has its own help with examples: rejoin read --help");
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
    if (error instanceof OperationalError) {
      process.stderr.write(`rejoin: ${error.message}\n`);
      return error.exitStatus;
    }
    throw error;
  }
}

// A reader that goes away (`--help | head -1`) is no error; verbs that write much notice it themselves.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
});

process.exitCode = await main(process.argv.slice(2));
