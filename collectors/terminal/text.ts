import { grouped } from "../../src/record/count-text.ts";

export { counted, grouped } from "../../src/record/count-text.ts";

/**
 * Control characters of both sets, and those that turn the direction of writing: names and addresses come from outside,
 * and a terminal would obey them.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

const UNITS = [" B", " kB", " MB", " GB", " TB", " PB"] as const;

/** The text with every character that a terminal would obey shown as `·`. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, "·");
}

/** The same JSON text with such characters as `\uXXXX`, so that it may be shown and still means the same. */
export function printableJson(json: string): string {
  return json.replace(UNPRINTABLE, (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** A count of octets in at most 7 columns, decimal units and three digits: `812 B`, `9.41 kB`, `27.0 MB`. */
export function humanOctets(octets: number): string {
  let value = octets;
  let unit = 0;
  // 999.5 would be shown with four digits.
  while (value >= (unit === 0 ? 1000 : 999.5) && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  if (unit === 0) return `${octets} B`;
  const digits = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  return `${value.toFixed(digits)}${UNITS[unit]}`;
}

/** Microseconds as milliseconds with three digits, or all before the point: `0.31`, `11.2`, `1,204`. */
export function milliseconds(micros: number): string {
  const value = micros / 1000;
  return value < 9.995 ? value.toFixed(2) : value < 99.95 ? value.toFixed(1) : grouped(Math.round(value));
}

/** `2026-11-22T20:08:14.881Z` as `11-22 20:08:14`, 14 columns. */
export function monthToSecond(time: string): string {
  return `${time.slice(5, 10)} ${time.slice(11, 19)}`;
}

/** At most `width` characters, the last one `…` where some are left out. */
export function clip(text: string, width: number): string {
  const characters = [...text];
  return characters.length <= width ? text : `${characters.slice(0, Math.max(0, width - 1)).join("")}…`;
}

/** Exactly `width` characters: cut as `clip` does, or filled with spaces on the right (`left`: text stands left). */
export function fill(text: string, width: number, stand: "left" | "right"): string {
  return pad(clip(text, width), width, stand);
}

/** At least `width` characters: as `fill`, but nothing is cut. */
export function pad(text: string, width: number, stand: "left" | "right"): string {
  const spaces = " ".repeat(Math.max(0, width - [...text].length));
  return stand === "left" ? text + spaces : spaces + text;
}

/** What sets and ends a colour or weight: it takes no column. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const COLOUR = /\u001b\[\d+m/g;

/**
 * The text in lines of at most `width` columns, broken at spaces; all but the first begin with `indent` spaces. A word
 * that fits on no line stands on one of its own. Colours take no column. Null for the width breaks nothing.
 */
export function wrapped(text: string, width: number | null, indent: number): string[] {
  const [first, ...words] = width === null ? [text] : (text.match(/\s*\S+/g) ?? [text]);
  let line = first ?? "";
  const lines: string[] = [];
  for (const word of words) {
    if (columns(line + word) <= (width ?? 0)) line += word;
    else {
      lines.push(line);
      line = " ".repeat(indent) + word.trimStart();
    }
  }
  return [...lines, line];
}

const columns = (text: string): number => [...text.replace(COLOUR, "")].length;

/** Address and port as RFC 3986 writes them: `10.10.1.2:5001`, `[2001:db8::2]:5001`. */
export function hostPort(end: { readonly ip: string; readonly port: number }): string {
  return end.ip.includes(":") ? `[${end.ip}]:${end.port}` : `${end.ip}:${end.port}`;
}
