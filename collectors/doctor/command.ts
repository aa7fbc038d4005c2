import { Command } from "commander";
import type { ProgramName } from "../../schema/configuration/programs.ts";
import { ConfigurationError, loadConfiguration } from "../runtime/configuration.ts";
import { OperationalError } from "../runtime/errors.ts";
import { type Style, styleFor } from "../terminal/style.ts";
import { counted, printable } from "../terminal/text.ts";
import { agentChecks } from "./agent-checks.ts";
import { collectorChecks } from "./collector-checks.ts";
import type { Check, Finding } from "./finding.ts";
import { thisMachine } from "./machine.ts";

const HELP = `
What is looked at is what the configuration asks for: kernel, koffi,
capabilities, packet sockets, nft, interfaces and their offloads, the way to
each collector and its MTU, the admin address; for a collector receive buffers,
rp_filter, ports, brokers, topics and their settings, disk for records. Nothing
is changed, no copy is sent, and no topic is made.

Without --config the defaults are looked at, with what variables such as
REJOIN_COLLECTOR__LISTEN__UDP say, an agent's on every interface that is up.
Run it as the user and in the place that the program will have: capabilities
and namespaces are those of the one who asks.

Each line is ok, warn (it works, and something will be missed, lost or slow) or
fail (it cannot work), and says what to change.

Exit status: 0 nothing failed; 1 something did; 2 the command line is wrong.

Examples:
  rejoin doctor
  rejoin doctor --agent --config /etc/rejoin/agent.yaml
  rejoin doctor --collector --config collector.yaml`;

interface Options {
  readonly agent?: true;
  readonly collector?: true;
  readonly config?: string;
}

/** The verb `doctor`: whether a machine can do an agent's or a collector's duty. */
export function command(): Command {
  return new Command("doctor")
    .description("Looks whether this machine can do the duty of an agent or a collector, and says what to change.")
    .option("--agent", "an agent's duty")
    .option("--collector", "a collector's duty; without either, both")
    .option("--config <file>", "YAML, of the one program that is named")
    .addHelpText("after", HELP)
    .action(async ({ agent, collector, config }: Options) => {
      if (config !== undefined && agent === collector) {
        throw new OperationalError("usage", "say whose configuration it is: --agent or --collector");
      }
      const programs: ProgramName[] = [
        ...(agent || !collector ? (["agent"] as const) : []),
        ...(collector || !agent ? (["collector"] as const) : []),
      ];
      process.exitCode = (await examine(programs, config ?? null, (text) => process.stdout.write(text))) ? 0 : 1;
    });
}

/** Looks at everything, a line for each finding; false where something failed. */
async function examine(
  programs: readonly ProgramName[],
  file: string | null,
  say: (text: string) => void,
): Promise<boolean> {
  const style = styleFor(process.stdout, process.env);
  const counts = { ok: 0, warn: 0, fail: 0 };
  for (const program of programs) {
    if (programs.length > 1) say(`${style.strong(program === "agent" ? "an agent" : "a collector")}\n`);
    for await (const finding of findingsFor(program, file)) {
      counts[finding.level]++;
      say(findingLine(finding, style));
    }
  }
  say(`${counted(counts.fail, "failure")}, ${counted(counts.warn, "warning")}, ${counts.ok} ok\n`);
  return counts.fail === 0;
}

async function* findingsFor(program: ProgramName, file: string | null): AsyncGenerator<Finding> {
  const machine = await thisMachine();
  let checks: readonly Check[];
  try {
    checks =
      program === "agent"
        ? agentChecks(machine, loaded("agent", file))
        : collectorChecks(machine, loaded("collector", file));
  } catch (error) {
    if (!(error instanceof OperationalError)) throw error;
    const faults = error instanceof ConfigurationError ? error.faults : [error.message];
    for (const text of faults) yield { level: "fail", what: "configuration", text };
    return;
  }
  yield { level: "ok", what: "configuration", text: file === null ? withoutFile(program) : `${file} can be used` };
  for (const check of checks) yield* await looked(check);
}

function loaded<P extends ProgramName>(program: P, file: string | null) {
  // Without a file the machine is judged: what only its operator can say is still to come.
  return loadConfiguration(program, { file, environment: process.env, options: [], isPart: file === null }).values;
}

/** What is judged where no file is named, and what the program would still want to know. */
function withoutFile(program: ProgramName): string {
  const judged = "no --config: defaults, and variables of the environment, are looked at";
  try {
    loadConfiguration(program, { file: null, environment: process.env, options: [] });
    return judged;
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    return `${judged}. It does not start before this is said: ${error.faults.join("; ")}`;
  }
}

async function looked({ what, look }: Check): Promise<Finding[]> {
  try {
    return await look();
  } catch (error) {
    if (!(error instanceof OperationalError)) throw error;
    return [{ level: "fail", what, text: error.message }];
  }
}

const TONES = { ok: "good", warn: "doubt", fail: "bad" } as const satisfies Record<Finding["level"], keyof Style>;

function findingLine({ level, what, text }: Finding, style: Style): string {
  return `${style[TONES[level]](level.padEnd(4))}  ${what.padEnd(16)}  ${printable(text)}\n`;
}
