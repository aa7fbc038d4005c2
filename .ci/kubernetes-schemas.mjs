#!/usr/bin/env node
// `node .ci/kubernetes-schemas.mjs FOLDER OPENAPI [CRD...]`: JSON Schemas for kubeconform out of Kubernetes' own OpenAPI
// (api/openapi-spec/swagger.json of its sources) and of CustomResourceDefinitions as JSON. They are closed: a field that
// Kubernetes does not know is refused.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const [folder, openApi, ...definitionFiles] = process.argv.slice(2);
if (folder === undefined || openApi === undefined) {
  process.stderr.write("kubernetes-schemas: say where to write and what to read: FOLDER OPENAPI [CRD...]\n");
  process.exit(2);
}
const readJson = (path) => JSON.parse(readFileSync(path, "utf8"));
const mapValues = (object, change) =>
  Object.fromEntries(Object.entries(object).map(([key, value]) => [key, change(value, key)]));

/** A schema as kubeconform is to read it: references to the file of definitions, and no field beyond those named. */
function closed(node) {
  if (Array.isArray(node)) return node.map(closed);
  if (node === null || typeof node !== "object") return node;
  if (typeof node.$ref === "string") return { $ref: node.$ref.replace("#/", "_definitions.json#/") };
  if (node.format === "int-or-string" || node["x-kubernetes-int-or-string"]) return { type: ["string", "integer"] };
  // Names of properties are no keywords, whatever they are.
  const copy = mapValues(node, (value, key) => (key === "properties" ? mapValues(value, closed) : closed(value)));
  const isOpen = "additionalProperties" in copy || copy["x-kubernetes-preserve-unknown-fields"];
  return copy.properties !== undefined && !isOpen ? { ...copy, additionalProperties: false } : copy;
}

/** The name under which kubeconform asks: kind, first word of the group, version. */
function save({ group, version, kind }, schema) {
  const words = [kind, ...(group ? [group.split(".")[0]] : []), version];
  writeFileSync(join(folder, `${words.join("-").toLowerCase()}.json`), JSON.stringify(schema));
}

mkdirSync(folder, { recursive: true });
const { definitions } = readJson(openApi);
const schemas = {
  ...mapValues(definitions, closed),
  "io.k8s.apimachinery.pkg.api.resource.Quantity": { type: ["string", "number"] },
};
writeFileSync(join(folder, "_definitions.json"), JSON.stringify({ definitions: schemas }));
for (const [name, definition] of Object.entries(definitions)) {
  for (const kind of definition["x-kubernetes-group-version-kind"] ?? []) save(kind, schemas[name]);
}
for (const { spec } of definitionFiles.map(readJson)) {
  for (const { name: version, schema } of spec.versions) {
    const { properties, ...rest } = closed(schema.openAPIV3Schema);
    save(
      { group: spec.group, version, kind: spec.names.kind },
      { ...rest, properties: { ...properties, metadata: { type: "object" } } },
    );
  }
}
