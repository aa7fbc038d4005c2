import { parse } from "yaml";
import type { ZodType } from "zod";
import {
  type ConfigurationOf,
  jsonSchemaOfProgram,
  leavesOf,
  PROGRAMS,
  type ProgramName,
  type SchemaNode,
  schemaAt,
  takesText,
  variableOf,
} from "../../schema/configuration/programs.ts";
import type { ConfigurationFault } from "../../schema/configuration/values.ts";
import { keyText, nearest, unknownKey, valueFault } from "./configuration-fault.ts";
import { type ConfigurationFile, readConfigurationFile } from "./configuration-file.ts";
import { resolveReferences } from "./configuration-reference.ts";
import { OperationalError } from "./errors.ts";

/** One key that is said outside the file, and wins over it. */
export interface Override {
  readonly path: readonly string[];
  readonly value: unknown;
  /** What said it, for people: the name of an option or a variable. */
  readonly from: string;
}

/** What a configuration comes from, the strongest last. */
export interface ConfigurationSources {
  /** A YAML file; null where there is none. */
  readonly file: string | null;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly options: readonly Override[];
  /** Somebody else runs the program, with options of which nobody knows here: what only they may give is not asked for. */
  readonly isPart?: boolean;
}

/** A configuration that can be used. */
export interface Configuration<P extends ProgramName> {
  readonly values: ConfigurationOf<P>;
  /** What stands in the file or the environment where a value was referred to, by `keyText` of its path. */
  readonly references: ReadonlyMap<string, string>;
}

/**
 * A configuration that cannot be used: `faults` has a line for each fault, `message` the first, or all where no command
 * tells them.
 */
export class ConfigurationError extends OperationalError {
  readonly faults: readonly string[];

  /** `check` is the command that tells all of them; null where there is no file that it could read. */
  constructor(faults: readonly string[], check: string | null) {
    const more = faults.length > 1 ? ` (and ${faults.length - 1} more: ${check})` : "";
    super("CONFIGURATION", check === null ? faults.join("; ") : `${faults[0]}${more}`);
    this.faults = faults;
  }
}

/**
 * Reads a program's configuration: defaults, over them the file, over it the environment, over it options of the command
 * line. What is said of a key replaces the whole of it, lists too. Throws a ConfigurationError where any of it is wrong,
 * and an OperationalError where the file is no YAML.
 */
export function loadConfiguration<P extends ProgramName>(program: P, sources: ConfigurationSources): Configuration<P> {
  return new Loading(program, sources).result();
}

class Loading<P extends ProgramName> {
  private readonly program: P;
  private readonly sources: ConfigurationSources;
  private readonly schema: SchemaNode;
  private readonly file: ConfigurationFile | null;
  private readonly overrides: readonly Override[];
  private readonly references = new Map<string, string>();
  private readonly faults: string[] = [];
  /** Keys that have a fault: one of each is enough. */
  private readonly faulty = new Set<string>();

  constructor(program: P, sources: ConfigurationSources) {
    this.program = program;
    this.sources = sources;
    this.schema = jsonSchemaOfProgram(program);
    this.file = sources.file === null ? null : readConfigurationFile(sources.file);
    this.overrides = [...this.fromEnvironment(), ...sources.options];
  }

  result(): Configuration<P> {
    const written = this.overrides.reduce<unknown>(
      (tree, { path, value }) => replaced(tree, path, value),
      this.file?.tree ?? {},
    );
    const tree = this.resolved(written, []);
    // The types of one program's schema and check belong together; TypeScript does not see that through the index.
    const { schema, faults } = PROGRAMS[this.program] as unknown as {
      schema: ZodType<ConfigurationOf<P>>;
      faults: (values: ConfigurationOf<P>) => ConfigurationFault[];
    };
    const parsed = schema.safeParse(tree);
    if (parsed.success) {
      const together = this.sources.isPart ? [] : faults(parsed.data);
      for (const { path, message } of together) this.fault(path, message);
    } else {
      for (const issue of parsed.error.issues) {
        if (issue.code === "unrecognized_keys") {
          for (const key of issue.keys) {
            this.fault([...issue.path, key], unknownKey(this.schema, issue.path, key));
          }
        } else {
          const value = valueAt(tree, issue.path);
          this.fault(issue.path, valueFault(this.schema, issue, value, this.isSecret(issue.path)));
        }
      }
    }
    if (!parsed.success || this.faults.length > 0) {
      const { file } = this.sources;
      throw new ConfigurationError(this.faults, file === null ? null : `rejoin config check ${this.program} ${file}`);
    }
    return { values: parsed.data, references: this.references };
  }

  private fault(path: readonly PropertyKey[], message: string): void {
    const where = this.placeOf(path);
    const key = keyText(path);
    if (this.faulty.has(key)) return;
    this.faulty.add(key);
    this.faults.push([where, key, message].filter((part) => part !== "").join(": "));
  }

  /** Which option, variable or line said what stands at a path; empty where nothing did. */
  private placeOf(path: readonly PropertyKey[]): string {
    const said = this.overrides.findLast((override) => override.path.every((step, i) => step === path[i]));
    return said?.from ?? this.file?.placeOf(path) ?? "";
  }

  private isSecret(path: readonly PropertyKey[]): boolean {
    const key = keyText(path);
    return (
      [...this.references.keys()].some(
        (name) => name === key || name.startsWith(`${key}.`) || name.startsWith(`${key}[`),
      ) || hasSecret(schemaAt(this.schema, path))
    );
  }

  /** Overrides of variables that begin as this program's do. */
  private fromEnvironment(): Override[] {
    const paths = new Map(leavesOf(this.schema).map((path) => [variableOf(this.program, path), path]));
    const overrides: Override[] = [];
    for (const [name, text] of Object.entries(this.sources.environment)) {
      if (!name.startsWith(variableOf(this.program, [])) || text === undefined) continue;
      const path = paths.get(name);
      if (path === undefined) {
        const meant = nearest(name, [...paths.keys()]);
        this.faults.push(`${name}: there is no such key${meant === null ? "" : `; did you mean ${meant}?`}`);
        continue;
      }
      overrides.push({ path, value: this.valueOf(path, text), from: name });
    }
    return overrides;
  }

  /** Text from outside: as it is where text may stand, else as YAML, without aliases: one of what it stands in has no end. */
  private valueOf(path: readonly PropertyKey[], text: string): unknown {
    const node = schemaAt(this.schema, path);
    if (node === null || takesText(node)) return text;
    try {
      return parse(text, { logLevel: "error", maxAliasCount: 0 });
    } catch {
      return text;
    }
  }

  /** The tree with references in its texts replaced. */
  private resolved(tree: unknown, path: readonly PropertyKey[]): unknown {
    if (typeof tree === "string" && tree.includes("${")) {
      const result = resolveReferences(tree, this.sources.environment);
      if ("fault" in result) {
        this.fault(path, result.fault);
        return tree;
      }
      this.references.set(keyText(path), tree);
      return this.valueOf(path, result.text);
    }
    if (Array.isArray(tree)) return tree.map((entry, n) => this.resolved(entry, [...path, n]));
    if (!isMapping(tree)) return tree;
    return Object.fromEntries(Object.entries(tree).map(([key, below]) => [key, this.resolved(below, [...path, key])]));
  }
}

/** A copy of the tree with another value at a path. What is no mapping on the way stays, for the schema to refuse. */
function replaced(tree: unknown, path: readonly string[], value: unknown): unknown {
  const [step, ...rest] = path;
  if (step === undefined) return value;
  if (tree !== undefined && !isMapping(tree)) return tree;
  return { ...tree, [step]: replaced(tree?.[step], rest, value) };
}

function valueAt(tree: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((at, step) => (at as Record<PropertyKey, unknown> | undefined)?.[step], tree);
}

function isMapping(tree: unknown): tree is Readonly<Record<string, unknown>> {
  return typeof tree === "object" && tree !== null && !Array.isArray(tree);
}

function hasSecret(node: SchemaNode | null): boolean {
  if (node === null) return false;
  const below = [...Object.values(node.properties ?? {}), ...(node.items === undefined ? [] : [node.items])];
  return node.writeOnly === true || below.some(hasSecret);
}
