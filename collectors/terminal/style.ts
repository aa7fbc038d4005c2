import { styleText } from "node:util";
import type { Verdict } from "../../schema/session-record.ts";

/** How words stand out: by what they mean, never by a colour's name. */
export interface Style {
  /** A verdict that speaks for the traffic. */
  readonly good: (text: string) => string;
  /** A verdict that speaks against it. */
  readonly bad: (text: string) => string;
  /** What is not known or not whole. */
  readonly doubt: (text: string) => string;
  /** Headings. */
  readonly strong: (text: string) => string;
  /** What a reader may skip. */
  readonly quiet: (text: string) => string;
}

const same = (text: string) => text;

/** No colours: files, pipes and tests. */
export const PLAIN: Style = { good: same, bad: same, doubt: same, strong: same, quiet: same };

/** Colours of the terminal's own palette. */
export const COLOURS: Style = {
  good: paint("green"),
  bad: paint("red"),
  doubt: paint("yellow"),
  strong: paint("bold"),
  quiet: paint("dim"),
};

function paint(format: "green" | "red" | "yellow" | "bold" | "dim"): (text: string) => string {
  // Whether to colour was decided by `styleFor`; later versions of Node would ask standard output once more.
  return (text) => (text === "" ? "" : styleText(format, text, { validateStream: false }));
}

/** A verdict in the colour of what it means. */
export function verdictWord(verdict: Verdict, style: Style): string {
  return { verified: style.good, failed: style.bad, unverifiable: style.doubt }[verdict](verdict);
}

/** Colours where the stream is a terminal and NO_COLOR (https://no-color.org) is unset or empty; PLAIN elsewhere. */
export function styleFor(stream: { isTTY?: boolean | undefined }, env: NodeJS.ProcessEnv): Style {
  return stream.isTTY === true && (env.NO_COLOR ?? "") === "" && env.TERM !== "dumb" ? COLOURS : PLAIN;
}

/** Columns to fill: the terminal's, never below 80; null where there is none, and nothing has to be cut. */
export function widthOf(stream: { columns?: number | undefined }): number | null {
  return stream.columns === undefined ? null : Math.max(80, stream.columns);
}
