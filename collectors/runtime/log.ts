import { isatty } from "node:tty";
import { type DestinationStream, destination, type Level, type Logger, pino } from "pino";
import { printable, printableJson } from "../terminal/text.ts";
import { LogLimit } from "./log-limit.ts";

/** From this weight on a line tells of trouble, which may come again and again: pino's `warn`. */
const TROUBLE = 40;

/**
 * What no line shows, whoever logs it: a net below the rule that secrets are not logged. Names of fields, also one level down.
 */
const SECRETS = ["token", "password", "passphrase", "authorization", "secret"];

/** A field of that name that is no text is none: counts of the token check are counts. */
const censor = (value: unknown): unknown => (typeof value === "string" ? "(secret)" : value);

/**
 * A log on standard error: JSON lines for machines, plain lines when a person watches a terminal. Of lines that tell of the
 * same trouble again and again only some are written, and how many more there were (`LogLimit`).
 */
export function createLog(name: string, level: string): Logger {
  const stream: DestinationStream = isatty(2)
    ? { write: (line) => void process.stderr.write(plainLine(line)) }
    : destination({ fd: 2, sync: true });
  return limitedLog(name, level, stream);
}

/** As `createLog`, to whichever stream. */
export function limitedLog(name: string, level: string, stream: DestinationStream): Logger {
  const write = (weight: number, line: string, more: number): void => {
    const word = log.levels.labels[weight];
    if (word !== undefined && log.isLevelEnabled(word)) log[word as Level]({ more }, line);
  };
  const limit = new LogLimit(write);
  const log: Logger = pino(
    {
      base: { name },
      level,
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: { paths: [...SECRETS, ...SECRETS.map((secret) => `*.${secret}`)], censor },
      hooks: {
        logMethod(args, method, weight) {
          const [fields, said] = args as readonly unknown[];
          const isTold = typeof fields === "object" && fields !== null && "more" in fields;
          const line = typeof fields === "string" ? fields : String(said ?? "");
          if (weight < TROUBLE || isTold || limit.admits(weight, line)) method.apply(this, args);
        },
      },
    },
    stream,
  );
  process.once("exit", () => limit.flush());
  return log;
}

const MARKS: Readonly<Record<number, string>> = { 40: "warning: ", 50: "error: ", 60: "fatal: " };

/**
 * `14:34:08 warning: message  {"field":1}` out of a JSON line of pino, without what a terminal would obey: paths,
 * addresses and names come from outside.
 */
export function plainLine(line: string): string {
  const { time, level, msg, name: _name, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const mark = MARKS[Number(level)] ?? "";
  const rest = Object.keys(fields).length > 0 ? `  ${printableJson(JSON.stringify(fields))}` : "";
  return `${String(time).slice(11, 19)} ${mark}${printable(String(msg))}${rest}\n`;
}
