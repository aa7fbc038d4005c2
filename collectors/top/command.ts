import { setTimeout } from "node:timers/promises";
import { Command, InvalidArgumentError, Option } from "commander";
import { readListenAddress } from "../../schema/configuration/listen-address.ts";
import { loadConfiguration } from "../runtime/configuration.ts";
import { OperationalError } from "../runtime/errors.ts";
import { styleFor } from "../terminal/style.ts";
import { printable } from "../terminal/text.ts";
import { type Look, lookAt } from "./look.ts";
import { Screen } from "./screen.ts";
import { sendable, tokenFrom } from "./token.ts";
import { view } from "./view.ts";

const DEFAULT = "http://127.0.0.1:9464";

const HELP = `
It asks the collector's admin address (admin.listen), which tells it on
loopback, or to who has the token: --config reads address and token where the
collector does. Rates are those between two looks. Of more than 1,000 sessions
the first 1,000 of the table are shown, the busiest of them first.

q or ^C ends it. Where standard output is no terminal it prints two looks' worth
once and ends, as with --once.

Exit status: 0 it was told to end, or has printed; 2 no collector answers, it
asks for another token, or the command line is wrong.

Examples:
  rejoin top
  rejoin top --config collector.yaml
  rejoin top http://192.0.2.9:9464 --token-file token
  rejoin top --once --interval 5`;

interface Options {
  readonly config?: string;
  readonly tokenFile?: string;
  readonly interval: number;
  readonly once: boolean;
}

/** The verb `top`: a running collector, live. */
export function command(): Command {
  return new Command("top")
    .description("Shows a running collector: agents, sessions, rates, tables, outbox.")
    .argument("[url]", `its admin address (default: ${DEFAULT})`)
    .option("--config <file>", "the collector's YAML, for admin.listen and admin.token")
    .option("--token-file <file>", "file with the bearer token")
    .addOption(
      new Option("--interval <seconds>", "between two looks").default(2).argParser((text) => {
        const seconds = Number(text);
        if (!(seconds >= 0.1 && seconds <= 3600)) throw new InvalidArgumentError("seconds go from 0.1 to 3600.");
        return seconds;
      }),
    )
    .option("--once", "print once, as text, and end", false)
    .addHelpText("after", HELP)
    .action(async (url: string | undefined, options: Options) => {
      const { base, token } = whom(url, options);
      const intervalMs = options.interval * 1000;
      if (options.once || !process.stdin.isTTY || !process.stdout.isTTY) return printOnce(base, token, intervalMs);
      return show(base, token, intervalMs);
    });
}

/** Whom to ask, and with which token. Throws an OperationalError where that is not said. */
function whom(url: string | undefined, { config, tokenFile }: Options): { base: string; token: string | null } {
  const file = config === undefined ? null : adminOf(config);
  const base = url ?? file?.base ?? DEFAULT;
  const address = URL.canParse(base) ? new URL(base) : null;
  // What cannot be parsed may have them, too.
  if (/@/.test(base)) {
    const how = "a collector takes a token: --config, or --token-file";
    throw new OperationalError("usage", `an admin server's address has no name or password in it; ${how}`);
  }
  if (!/^https?:$/.test(address?.protocol ?? "")) {
    throw new OperationalError("usage", `${base} is no address of an admin server; write it as ${DEFAULT}`);
  }
  if (tokenFile !== undefined) return { base, token: tokenFrom(tokenFile) };
  const token = file?.token ?? null;
  return { base, token: token === null ? null : sendable(token, `admin.token of ${config}`) };
}

function adminOf(file: string): { base: string; token: string | null } {
  const { admin } = loadConfiguration("collector", {
    ...{ file, environment: process.env, options: [], isPart: true },
  }).values;
  const at = readListenAddress(String(admin.listen));
  if (at === null || at.port === 0) {
    throw new OperationalError("usage", `${file} says no port in admin.listen; name the address instead`);
  }
  // Where it listens everywhere, it does so on loopback.
  const host = at.host === null || at.host === "0.0.0.0" ? "127.0.0.1" : at.host === "::" ? "::1" : at.host;
  return { base: `http://${host.includes(":") ? `[${host}]` : host}:${at.port}`, token: admin.token };
}

async function printOnce(base: string, token: string | null, intervalMs: number): Promise<void> {
  const before = await lookAt(base, token);
  await setTimeout(intervalMs);
  const lines = view(await lookAt(base, token), before);
  process.stdout.write(lines.map((line) => `${line}\n`).join(""));
}

async function show(base: string, token: string | null, intervalMs: number): Promise<void> {
  // The first one tells whether there is a collector, before anything is painted.
  let look = await lookAt(base, token);
  let before: Look | null = null;
  let trouble: string | null = null;
  const style = styleFor(process.stdout, process.env);
  const paint = (): void => {
    const { width, height } = screen;
    const lines = view(look, before, { width, height: trouble === null ? height : height - 1, style });
    screen.paint(trouble === null ? lines : [style.bad(printable(trouble).slice(0, width)), ...lines]);
  };
  const screen = new Screen(process.stdin, process.stdout, paint);
  let isOver = false;
  let asking = new AbortController();
  const over = screen.left.then(() => {
    isOver = true;
    asking.abort();
  });
  try {
    paint();
    while (!isOver) {
      await Promise.race([over, setTimeout(intervalMs, undefined, { ref: false })]);
      if (isOver) break;
      try {
        asking = new AbortController();
        const next = await lookAt(base, token, asking.signal);
        [before, look, trouble] = [look, next, null];
      } catch (error) {
        // A collector that restarts is waited for.
        if (!(error instanceof OperationalError && error.retriable)) throw error;
        trouble = error.message;
      }
      if (!isOver) paint();
    }
  } finally {
    screen.close();
  }
}
