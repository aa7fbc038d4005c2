import { z } from "zod";
import { agentConfiguration, agentFaults } from "./agent.ts";
import { collectorConfiguration, collectorFaults } from "./collector.ts";
import { consumerConfiguration, consumerFaults } from "./consumer.ts";

/**
 * The configuration of each program: the schema of its file, what that cannot refuse, and the keys (all below them, too)
 * that a running program takes over on SIGHUP.
 */
export const PROGRAMS = {
  collector: {
    schema: collectorConfiguration,
    faults: collectorFaults,
    changeable: ["agents", "anyAgent", "agentPacketsPerSecond", "shutdown", "log"],
  },
  agent: {
    schema: agentConfiguration,
    faults: agentFaults,
    changeable: ["log", "exclude.addresses", "exclude.ports", "sample", "limits", "collector", "collectors"],
  },
  consumer: { schema: consumerConfiguration, faults: consumerFaults, changeable: [] },
} as const;

/** A program that has a configuration. */
export type ProgramName = keyof typeof PROGRAMS;

/** A program's configuration, with a value for every key. */
export type ConfigurationOf<P extends ProgramName> = z.output<(typeof PROGRAMS)[P]["schema"]>;

/** What of JSON Schema 2020-12 the configurations use. */
export interface SchemaNode {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly default?: unknown;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly exclusiveMinimum?: number;
  readonly maximum?: number;
  /** A form that text has to have. */
  readonly format?: string;
  readonly anyOf?: readonly SchemaNode[];
  readonly items?: SchemaNode;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly required?: readonly string[];
  /** A secret: it is written into a configuration and never printed out of one. */
  readonly writeOnly?: boolean;
}

/** JSON Schema 2020-12 of a program's configuration file; `schema/json` keeps the text of each. */
export function jsonSchemaOfProgram(program: ProgramName): SchemaNode {
  const { $schema, ...rest } = z.toJSONSchema(PROGRAMS[program].schema, { io: "input" });
  return {
    $schema,
    $id: `urn:rejoin:schema:${program}-configuration:1`,
    title: `rejoin ${program}`,
    ...rest,
  } as SchemaNode;
}

/** The part of a schema that describes what stands at `path`; null where nothing may stand. */
export function schemaAt(node: SchemaNode, path: readonly PropertyKey[]): SchemaNode | null {
  const [step, ...rest] = path;
  if (step === undefined) return node;
  const below = typeof step === "number" ? node.items : own(node.properties, String(step));
  return below === undefined ? null : schemaAt(below, rest);
}

function own(properties: SchemaNode["properties"], name: string): SchemaNode | undefined {
  return properties !== undefined && Object.hasOwn(properties, name) ? properties[name] : undefined;
}

/** The keys below which no others stand, lists included: their paths, in the order of the schema. */
export function leavesOf(node: SchemaNode): string[][] {
  if (node.properties === undefined) return [[]];
  return Object.entries(node.properties).flatMap(([name, below]) => leavesOf(below).map((path) => [name, ...path]));
}

/** Whether any text may stand there: then text from outside is taken as it is, and read as YAML where it may not. */
export function takesText({ type, anyOf, const: only }: SchemaNode): boolean {
  // One word beside numbers, such as `max`, is no reason to take a number for text.
  if (only !== undefined) return false;
  return type === "string" || (Array.isArray(type) && type.includes("string")) || (anyOf?.some(takesText) ?? false);
}

/** The environment variable that overrides a key: `REJOIN_COLLECTOR__SINK__KAFKA__BROKERS` for `sink.kafka.brokers`. */
export function variableOf(program: ProgramName, path: readonly string[]): string {
  const words = path.map((word) => word.replace(/(?<=[a-z])(?=[A-Z])/g, "_"));
  return ["REJOIN", program].join("_").concat("__", words.join("__")).toUpperCase();
}
