import { Argument, Command } from "commander";
import { jsonSchemaOfProgram, PROGRAMS, type ProgramName } from "../../schema/configuration/programs.ts";
import { ConfigurationError, loadConfiguration } from "../runtime/configuration.ts";
import { OperationalError } from "../runtime/errors.ts";
import { printable } from "../terminal/text.ts";
import { redactedConfiguration } from "./redacted.ts";
import { configurationTemplate } from "./template.ts";

const HELP = `
check     says what is wrong with a configuration, a line for each fault
print     what a program would use: every key, from defaults, file and
          environment; secrets are left out, references stand as written
schema    the JSON Schema (2020-12) of the file, for editors and other tools
defaults  a file with every key, its default, and what it means

What is said of a key in several places: defaults give way to the file, the file
to variables such as REJOIN_COLLECTOR__SINK__KIND, and these to options beside
rejoin collect --config. All keys: docs/configuration.md.

Exit status: 0 it was done; 2 the configuration cannot be used, or the command
line is wrong.

Examples:
  rejoin config defaults collector > collector.yaml
  rejoin config check collector collector.yaml
  rejoin config print agent agent.yaml
  rejoin config schema collector > collector-configuration.schema.json`;

const ACTIONS = ["check", "print", "schema", "defaults"] as const;

/** The verb `config`: what stands in configuration files, and whether it is right. */
export function command(): Command {
  return new Command("config")
    .description("Checks and prints the configuration of collector, agent and consumer, its schema and its defaults.")
    .addArgument(new Argument("<action>", "what to do").choices(ACTIONS))
    .addArgument(new Argument("<program>", "whose configuration").choices(Object.keys(PROGRAMS)))
    .argument("[file]", "YAML; without it, defaults and environment only")
    .addHelpText("after", HELP)
    .action((action: (typeof ACTIONS)[number], program: ProgramName, file: string | undefined) => {
      if (file !== undefined && (action === "schema" || action === "defaults")) {
        throw new OperationalError("usage", `config ${action} reads no file; leave ${file} out`);
      }
      process.stdout.write(done(action, program, file ?? null));
    });
}

function done(action: (typeof ACTIONS)[number], program: ProgramName, file: string | null): string {
  switch (action) {
    case "check":
      return checked(program, file);
    case "print": {
      const { values, references } = loaded(program, file);
      return redactedConfiguration(jsonSchemaOfProgram(program), values, references);
    }
    case "schema":
      return `${JSON.stringify(jsonSchemaOfProgram(program), null, 2)}\n`;
    case "defaults":
      return configurationTemplate(program);
  }
}

function checked(program: ProgramName, file: string | null): string {
  try {
    loaded(program, file);
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    for (const fault of error.faults) process.stderr.write(`rejoin: ${printable(fault)}\n`);
    process.exitCode = error.exitStatus;
    return "";
  }
  return `${printable(file ?? "the environment")}: ${program === "agent" ? "an" : "a"} ${program} can use it\n`;
}

function loaded<P extends ProgramName>(program: P, file: string | null) {
  return loadConfiguration(program, { file, environment: process.env, options: [] });
}
