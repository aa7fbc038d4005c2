import type { SchemaNode } from "./programs.ts";

/** Texts of a form of their own (JSON Schema's `format`). */
const FORMATS: Readonly<Record<string, string>> = {
  ipv4: "an IPv4 address",
  ipv6: "an IPv6 address",
  cidrv4: "an IPv4 network such as 192.0.2.0/24",
  cidrv6: "an IPv6 network such as 2001:db8::/32",
};

/** What may stand somewhere, in words: `a whole number from 1 to 65535, or null`. */
export function expected(node: SchemaNode): string {
  if (node.const !== undefined) return String(node.const);
  if (node.enum !== undefined) return `one of ${node.enum.join(", ")}`;
  if (node.anyOf !== undefined) return node.anyOf.map(expected).join(", or ");
  if (Array.isArray(node.type)) return node.type.map((type) => expected({ ...node, type })).join(", or ");
  switch (node.type) {
    case "string":
      return FORMATS[node.format ?? ""] ?? "text";
    case "boolean":
      return "true or false";
    case "integer":
      return `a whole number${range(node)}`;
    case "number":
      return `a number${range(node)}`;
    case "array":
      return `a list, each entry ${expected(node.items ?? {})}`;
    case "object":
      return `keys with values (${Object.keys(node.properties ?? {}).join(", ")})`;
    default:
      return String(node.type);
  }
}

function range({ minimum, exclusiveMinimum, maximum }: SchemaNode): string {
  const least = exclusiveMinimum === undefined ? minimum : `above ${exclusiveMinimum}`;
  if (maximum !== undefined && Math.abs(maximum) < Number.MAX_SAFE_INTEGER) return ` from ${least} to ${maximum}`;
  if (typeof least === "string") return ` ${least}`;
  return least === undefined || least === -Number.MAX_SAFE_INTEGER ? "" : `, ${least} or more`;
}
