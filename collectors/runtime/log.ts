import { isatty } from "node:tty";
import { type DestinationStream, destination, type Logger, pino } from "pino";
import { printable, printableJson } from "../terminal/text.ts";

/** A log on standard error: JSON lines for machines, plain lines when a person watches a terminal. */
export function createLog(name: string, level: string): Logger {
  const stream: DestinationStream = isatty(2)
    ? { write: (line) => void process.stderr.write(plainLine(line)) }
    : destination({ fd: 2, sync: true });
  return pino({ base: { name }, level: level, timestamp: pino.stdTimeFunctions.isoTime }, stream);
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
