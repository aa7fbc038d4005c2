import { stringify } from "yaml";
import type { SchemaNode } from "../../schema/configuration/programs.ts";
import { keyText } from "../runtime/configuration-fault.ts";

/** Stands where a secret was written out. */
const SECRET = "(secret)";

/**
 * A configuration as YAML, without its secrets: references stand as they were written, by `keyText` of their paths, what
 * else is secret is left out.
 */
export function redactedConfiguration(
  schema: SchemaNode,
  values: unknown,
  references: ReadonlyMap<string, string>,
): string {
  const redacted = (value: unknown, node: SchemaNode | undefined, path: readonly PropertyKey[]): unknown => {
    const reference = references.get(keyText(path));
    if (reference !== undefined) return reference;
    if (node?.writeOnly === true && value !== null) return SECRET;
    if (Array.isArray(value)) return value.map((entry, n) => redacted(entry, node?.items, [...path, n]));
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, below]) => [key, redacted(below, node?.properties?.[key], [...path, key])]),
    );
  };
  return stringify(redacted(values, schema, []));
}
