import { readFileSync } from "node:fs";
import { isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from "yaml";
import { OperationalError } from "./errors.ts";

/** A configuration file as it stands there. */
export interface ConfigurationFile {
  /** What the file says, not validated; an empty mapping for an empty file. */
  readonly tree: unknown;
  /** `collector.yaml:12` for the place of a key, or of the nearest one above it that stands in the file. */
  placeOf(path: readonly PropertyKey[]): string;
}

/** Reads a YAML file. Throws an OperationalError when it cannot be read, or is no YAML of one document. */
export function readConfigurationFile(file: string): ConfigurationFile {
  const lines = new LineCounter();
  const document = parseDocument(readText(file), { lineCounter: lines, prettyErrors: false });
  const [trouble] = [...document.errors, ...document.warnings];
  if (trouble !== undefined) {
    const { line } = lines.linePos(trouble.pos[0]);
    throw new OperationalError("CONFIGURATION", `${file}:${line}: this is no YAML: ${trouble.message}`);
  }
  return {
    tree: treeOf(document, file),
    placeOf: (path) => {
      const offset = offsetOf(document.contents, path) ?? 0;
      return `${file}:${lines.linePos(offset).line}`;
    },
  };
}

/** Aliases are followed here, and those that would grow without end are refused. */
function treeOf(document: ReturnType<typeof parseDocument>, file: string): unknown {
  try {
    return document.toJS() ?? {};
  } catch (error) {
    throw new OperationalError("CONFIGURATION", `${file}: this is no YAML: ${text(error)}`);
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
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new OperationalError("CONFIGURATION", `${file}: cannot be read: ${text(error)}`, { cause: error });
  }
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
