import { type Dataset, jsonSchemaOf } from "../../../schema/json-schema.ts";

/** A part of a JSON Schema, as far as a mapping needs it. */
interface Part {
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, Part>>;
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly format?: string;
  readonly description?: string;
  readonly contentEncoding?: string;
  readonly anyOf?: readonly Part[];
  readonly items?: Part;
  readonly prefixItems?: readonly Part[];
  readonly properties?: Readonly<Record<string, Part>>;
  readonly propertyNames?: Part;
  readonly additionalProperties?: Part | boolean;
}

/** Indices of each dataset's records; streams are octets, which no index is for. */
export const INDICES = {
  "rejoin.session": "rejoin-sessions-v1",
  "rejoin.finding": "rejoin-findings-v1",
  "rejoin.agent": "rejoin-agents-v1",
  "rejoin.gap": "rejoin-gaps-v1",
} as const;

/** Sentences for people are searched by word, as ECS has it; ECS's names for them. */
const TEXTS = new Set([".message", ".event.reason"]);
/** Unsigned 64-bit integers, which JSON has as strings. */
const WIDE = /^\.mptcp\.idsn\./;

/**
 * The index template of a dataset, for Elasticsearch and OpenSearch, made of its JSON Schema. What a later version adds is
 * kept in the document and not indexed until the template is renewed.
 */
export function indexTemplateOf(dataset: keyof typeof INDICES): object {
  const root = jsonSchemaOf(dataset satisfies Dataset) as Part;
  const mapping = mappingOf(root, root, "") as { properties: object };
  return {
    index_patterns: [`${INDICES[dataset]}*`],
    priority: 200,
    template: { mappings: { dynamic: false, ...mapping } },
    _meta: { description: `Records ${dataset} of rejoin; made of ${(root as { $id?: string }).$id}` },
  };
}

function mappingOf(part: Part, root: Part, path: string): object {
  const { $ref } = part;
  if ($ref !== undefined) return mappingOf(root.$defs?.[$ref.split("/").at(-1) ?? ""] ?? {}, root, path);
  const items = part.items ?? part.prefixItems?.[0];
  if (items !== undefined) return mappingOf(items, root, path);
  const fields = Object.entries(part.properties ?? closedKeys(part));
  if (fields.length > 0) {
    return {
      properties: Object.fromEntries(fields.map(([name, field]) => [name, mappingOf(field, root, `${path}.${name}`)])),
    };
  }
  const choices = (part.anyOf ?? []).filter(({ type }) => type !== "null");
  if (choices[0] !== undefined) return mappingOf(choices[0], root, path);
  return { type: typeOf(part, path) };
}

/** `{ subflows: count, ... }` of a part whose keys are a closed list. */
function closedKeys({ propertyNames, additionalProperties }: Part): Readonly<Record<string, Part>> {
  if (typeof additionalProperties !== "object") return {};
  return Object.fromEntries((propertyNames?.enum ?? []).map((name) => [String(name), additionalProperties]));
}

function typeOf({ type, const: constant, format }: Part, path: string): string {
  const [name = typeof constant] = [type ?? []].flat().filter((one) => one !== "null");
  if (WIDE.test(path)) return "unsigned_long";
  if (name === "integer") return "long";
  if (name === "number") return Number.isInteger(constant) ? "long" : "double";
  if (name === "boolean") return "boolean";
  if (format === "ipv4" || format === "ipv6") return "ip";
  if (format === "date-time") return "date";
  return TEXTS.has(path) ? "match_only_text" : "keyword";
}
