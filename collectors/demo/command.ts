import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import { createLog } from "../runtime/log.ts";
import { styleFor } from "../terminal/style.ts";
import { accountLines, comparisonLines, nextLines, verdictLines } from "./closing.ts";
import { runDemo } from "./demo.ts";

const HELP = `
Nothing leaves this machine, no privilege is needed and nothing is written. It
takes about fifteen seconds.

Exit status: 0 all sessions came out as their hosts had them; 1 some did not,
each named; 2 it could not begin.

Examples:
  rejoin demo
  rejoin demo | cat          without colours, as NO_COLOR=1 does`;

/** The verb `rejoin demo`. */
export function command(): Command {
  return new Command("demo")
    .description(
      "Shows rejoin at work: a collector on loopback, and two agents that replay what two routers saw of MPTCP sessions.",
    )
    .addHelpText("after", HELP)
    .action(async () => {
      process.exitCode = await demo();
    });
}

async function demo(): Promise<number> {
  const style = styleFor(process.stdout, process.env);
  const say = (line: string) => void process.stdout.write(`${line}\n`);
  // Nobody reads any more, as after `| head`: there is nothing left to show.
  process.stdout.on("error", () => process.exit());
  const log = createLog("demo", "warn");
  const folder = capturesFolder();
  const result = await runDemo({ folder, speed: 1, style, say }, log);
  const { outcomes } = result;
  const [first] = outcomes;
  for (const line of verdictLines(outcomes, style)) say(line);
  if (first !== undefined) for (const line of await comparisonLines(first, folder, style)) say(line);
  for (const line of accountLines(result, style)) say(line);
  const failed = outcomes.filter(({ faults }) => faults.length > 0).length;
  if (failed > 0) {
    process.stderr.write(`rejoin: ${failed} of ${outcomes.length} sessions did not come out as they were, see above\n`);
    return 1;
  }
  for (const line of nextLines(process.argv[1] ?? "rejoin", folder, style)) say(line);
  return 0;
}

/** The captures are not compiled: they stay in the tree, one folder above `dist`, wherever in it this code lies. */
function capturesFolder(): string {
  const folders = ["./", "../../collectors/demo/", "../../../collectors/demo/"].map((path) =>
    fileURLToPath(new URL(`${path}captures/`, import.meta.url)),
  );
  return folders.find((folder) => existsSync(folder)) ?? "";
}
