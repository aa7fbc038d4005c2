import { isUtf8 } from "node:buffer";
import {
  type ErrorCode,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  visit,
  type YAMLError,
} from "yaml";
import { OperationalError, systemWords } from "./errors.ts";
import { readRegularOctets } from "./regular-file.ts";

/** A configuration file as it stands there. */
export interface ConfigurationFile {
  /** What the file says, not validated; an empty mapping for an empty file. */
  readonly tree: unknown;
  /** `collector.yaml:12` for the place of a key, or of the nearest one above it that stands in the file. */
  placeOf(path: readonly PropertyKey[]): string;
}

/**
 * What the parser finds, in words that quote nothing of the file: its own may quote a secret. Several of its codes say no
 * more than that something is out of place.
 */
const TROUBLES: Readonly<Partial<Record<ErrorCode, string>>> = {
  BAD_ALIAS: "an alias (*) of nothing that has that anchor; put text in quotes",
  BAD_DQ_ESCAPE: "an unknown escape (\\) in quotes",
  BAD_INDENT: "an indentation that does not fit",
  BAD_SCALAR_START: "a value begins with a reserved character; put text in quotes",
  DUPLICATE_KEY: "a key is there twice",
  MISSING_CHAR: "a quote, a bracket, a colon, a comma or a space is missing",
  MULTIPLE_DOCS: "there is more than one document",
  RESOURCE_EXHAUSTION: "it is nested too deep",
  TAB_AS_INDENT: "a tab as indentation",
  TAG_RESOLVE_FAILED: "a tag (!) that is unknown here or does not fit; put text in quotes",
};

/** That a bracket is not closed, for which the parser has the code of an indentation; null for what is another trouble. */
function unclosed({ code, message }: YAMLError): string | null {
  const end = code === "BAD_INDENT" ? / end with a ([\]}])$/.exec(message)?.[1] : undefined;
  if (end === undefined) return null;
  return `a bracket (${end === "]" ? "[" : "{"}) that is not closed, or what is in it is not indented`;
}

/** Reads a YAML file. Throws an OperationalError when it cannot be read, is not UTF-8, or is no YAML of one document. */
export function readConfigurationFile(file: string): ConfigurationFile {
  const lines = new LineCounter();
  const document = parseDocument(readText(file), { lineCounter: lines, prettyErrors: false });
  const [trouble] = [...document.errors, ...document.warnings];
  if (trouble !== undefined) {
    const { line } = lines.linePos(trouble.pos[0]);
    const what = unclosed(trouble) ?? TROUBLES[trouble.code] ?? "something is out of place; put text in quotes";
    throw new OperationalError("CONFIGURATION", `${file}:${line}: this is no YAML: ${what}`);
  }
  return {
    tree: treeOf(document, file, lines),
    placeOf: (path) => {
      const offset = offsetOf(document.contents, path) ?? 0;
      return `${file}:${lines.linePos(offset).line}`;
    },
  };
}

/** Each costs a walk through the file. */
const MAX_ALIASES = 1000;

/** Aliases are followed here; those of what they stand in, and those that would grow without end, are refused. */
function treeOf(document: ReturnType<typeof parseDocument>, file: string, lines: LineCounter): unknown {
  let aliases = 0;
  visit(document, {
    Alias: (_, alias, ancestors) => {
      aliases += 1;
      if (aliases > MAX_ALIASES)
        throw new OperationalError("CONFIGURATION", `${file}: more than ${MAX_ALIASES} aliases (*)`);
      const target = alias.resolve(document);
      // An anchor stands before its aliases: only what is around one can lead back to it.
      const isEndless = target !== undefined && ancestors.includes(target);
      if (target !== undefined && !isEndless) return;
      const { line } = lines.linePos(alias.range?.[0] ?? 0);
      const what = isEndless ? "an alias (*) of what it stands in" : `this is no YAML: ${TROUBLES.BAD_ALIAS}`;
      throw new OperationalError("CONFIGURATION", `${file}:${line}: ${what}`);
    },
  });
  try {
    return document.toJS() ?? {};
  } catch {
    throw new OperationalError("CONFIGURATION", `${file}: this is no YAML: aliases (*) of too much`);
  }
}

/** Where in the text a key stands, or the nearest one above it. */
function offsetOf(node: unknown, path: readonly PropertyKey[]): number | undefined {
  const [step, ...rest] = path;
  if (step === undefined) return undefined;
  if (isMap(node)) {
    const pair = node.items.find(({ key }) => isScalar(key) && key.value === step);
    if (pair === undefined) return undefined;
    return offsetOf(pair.value, rest) ?? (pair.key as Node).range?.[0];
  }
  if (isSeq(node) && typeof step === "number") {
    const item = node.items[step] as Node | undefined;
    return offsetOf(item, rest) ?? item?.range?.[0];
  }
  return undefined;
}

function readText(file: string): string {
  let octets: Buffer;
  try {
    octets = readRegularOctets(file);
  } catch (error) {
    throw new OperationalError("CONFIGURATION", `${file}: cannot be read: ${systemWords(error)}`, { cause: error });
  }
  if (!isUtf8(octets)) {
    const what = "is not UTF-8 text; convert it, such as: iconv -f UTF-16 -t UTF-8";
    throw new OperationalError("CONFIGURATION", `${file}: ${what}`);
  }
  return octets.toString("utf8");
}
