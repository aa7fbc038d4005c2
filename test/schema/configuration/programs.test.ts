import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import {
  jsonSchemaOfProgram,
  leavesOf,
  PROGRAMS,
  type ProgramName,
  type SchemaNode,
  schemaAt,
  variableOf,
} from "../../../schema/configuration/programs.ts";

const EXAMPLES = new URL("../../../schema/configuration/examples/", import.meta.url);
const JSON_SCHEMAS = new URL("../../../schema/json/", import.meta.url);

/** Every node of a schema that describes a key, by the key's path. */
function keysOf(node: SchemaNode, path: string): [string, SchemaNode][] {
  const below = { ...node.properties, ...node.items?.properties };
  return Object.entries(below).flatMap(([key, at]) => [
    [`${path}.${key}`, at] as [string, SchemaNode],
    ...keysOf(at, `${path}.${key}`),
  ]);
}

describe.each(Object.keys(PROGRAMS) as ProgramName[])("the configuration of the %s", (program) => {
  const schema = jsonSchemaOfProgram(program);
  const name = `${program}-configuration.schema.json`;

  // `npm run schema` writes the files anew; this fails where one is stale.
  it(`is in schema/json/${name} as it is in zod`, async () => {
    await expect(`${JSON.stringify(schema, null, 2)}\n`).toMatchFileSnapshot(`../../../schema/json/${name}`);
  });

  it("says of every key what it means", () => {
    expect(
      keysOf(schema, "")
        .filter(([, node]) => !node.description)
        .map(([path]) => path),
    ).toEqual([]);
  });

  it("has a default for every key, but for those that make an entry of a list what it is", () => {
    const leaves = leavesOf(schema).map((path) => [path.join("."), schemaAt(schema, path)] as const);
    expect(leaves.filter(([, node]) => node?.default === undefined).map(([path]) => path)).toEqual([]);
    expect(PROGRAMS[program].schema.safeParse({}).error).toBeUndefined();
  });

  it("has a variable of its own for every key", () => {
    const variables = leavesOf(schema).map((path) => variableOf(program, path));
    expect(new Set(variables).size).toBe(variables.length);
    for (const variable of variables) expect(variable).toMatch(/^REJOIN_[A-Z]+__[A-Z]+(_{1,2}[A-Z]+)*$/);
  });

  const examples = readdirSync(EXAMPLES).filter((file) => file.startsWith(program));

  it.each(examples)("%s can be used, and its schema line names the file of its schema", (file) => {
    const text = readFileSync(new URL(file, EXAMPLES), "utf8");
    const [, at = ""] = /^# yaml-language-server: \$schema=(\S+)\n/.exec(text) ?? [];
    expect(new URL(at, new URL(file, EXAMPLES)).href).toBe(new URL(name, JSON_SCHEMAS).href);
    const { schema: zod, faults } = PROGRAMS[program] as unknown as {
      schema: z.ZodType;
      faults: (values: unknown) => unknown[];
    };
    const parsed = zod.safeParse(parse(text));
    expect(parsed.error).toBeUndefined();
    expect(faults(parsed.data)).toEqual([]);
    // As an editor sees it.
    const read = z.fromJSONSchema(JSON.parse(readFileSync(new URL(name, JSON_SCHEMAS), "utf8")));
    expect(read.safeParse(parse(text)).error).toBeUndefined();
    expect(read.safeParse({ ...parse(text), later: 1 }).success).toBe(false);
  });

  it("has an example", () => expect(examples).not.toEqual([]));
});
