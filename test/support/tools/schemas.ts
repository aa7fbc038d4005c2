import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

interface Schema {
  readonly $ref?: string;
  readonly format?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly [keyword: string]: unknown;
}

interface Kind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

const KINDS = "x-kubernetes-group-version-kind";

/** Of a CustomResourceDefinition. */
interface Definition {
  readonly spec: {
    readonly group: string;
    readonly names: { readonly kind: string };
    readonly versions: readonly { readonly name: string; readonly schema: { readonly openAPIV3Schema: Schema } }[];
  };
}

const readJson = (path: string) => JSON.parse(readFileSync(path, "utf8"));
const mapValues = <T, U>(object: Readonly<Record<string, T>>, change: (value: T, key: string) => U) =>
  Object.fromEntries(Object.entries(object).map(([key, value]) => [key, change(value, key)]));

/** A schema as kubeconform is to read it: references to the file of definitions, and no field beyond those named. */
function closed<T>(node: T): T {
  if (Array.isArray(node)) return node.map(closed) as T;
  if (node === null || typeof node !== "object") return node;
  const schema = node as Schema;
  if (typeof schema.$ref === "string") return { $ref: schema.$ref.replace("#/", "_definitions.json#/") } as T;
  if (schema.format === "int-or-string" || schema["x-kubernetes-int-or-string"]) {
    return { type: ["string", "integer"] } as T;
  }
  // Names of properties are no keywords, whatever they are.
  const copy = mapValues(schema, (value, key) =>
    key === "properties" ? mapValues(value as Record<string, unknown>, closed) : closed(value),
  ) as Schema;
  const isOpen = "additionalProperties" in copy || copy["x-kubernetes-preserve-unknown-fields"];
  return (copy.properties !== undefined && !isOpen ? { ...copy, additionalProperties: false } : copy) as T;
}

/**
 * Writes JSON Schemas for kubeconform out of Kubernetes' own OpenAPI (api/openapi-spec/swagger.json of its sources) and of
 * CustomResourceDefinitions as JSON. They are closed: a field that Kubernetes does not know is refused.
 */
export function writeSchemas(folder: string, openApi: string, definitionFiles: readonly string[]): void {
  /** The name under which kubeconform asks: kind, first word of the group, version. */
  const save = ({ group, version, kind }: Kind, schema: Schema | undefined) => {
    const words = [kind, ...(group ? [group.split(".")[0]] : []), version];
    writeFileSync(join(folder, `${words.join("-").toLowerCase()}.json`), JSON.stringify(schema));
  };
  mkdirSync(folder, { recursive: true });
  const { definitions } = readJson(openApi) as { definitions: Record<string, Schema> };
  const schemas: Record<string, Schema> = {
    ...mapValues(definitions, closed),
    "io.k8s.apimachinery.pkg.api.resource.Quantity": { type: ["string", "number"] },
  };
  for (const [name, definition] of Object.entries(definitions)) {
    for (const kind of (definition[KINDS] ?? []) as readonly Kind[]) save(kind, schemas[name]);
  }
  for (const { spec } of definitionFiles.map(readJson) as Definition[]) {
    for (const { name: version, schema } of spec.versions) {
      const { properties, ...rest } = closed(schema.openAPIV3Schema);
      save(
        { group: spec.group, version, kind: spec.names.kind },
        { ...rest, properties: { ...properties, metadata: { type: "object" } } },
      );
    }
  }
  // Last: where it is, all are.
  writeFileSync(join(folder, "_definitions.json"), JSON.stringify({ definitions: schemas }));
}
