import { expect, it } from "vitest";
import {
  jsonSchemaOfProgram,
  PROGRAMS,
  type ProgramName,
  type SchemaNode,
} from "../../schema/configuration/programs.ts";
import { configurationPage } from "./configuration-page.ts";

// `npm run schema` writes the page anew; this fails where it is stale.
it("docs/configuration.md is what the schemas say", async () => {
  await expect(configurationPage()).toMatchFileSnapshot("../../docs/configuration.md");
});

/** The path of every key, below lists and what may be null too. */
function keysOf({ properties = {}, items, anyOf = [] }: SchemaNode, path: string): string[] {
  return [
    ...Object.entries(properties).flatMap(([key, below]) => {
      const at = path === "" ? key : `${path}.${key}`;
      return [at, ...keysOf(below, at)];
    }),
    ...(items === undefined ? [] : keysOf(items, `${path}[]`)),
    ...anyOf.flatMap((one) => keysOf(one, path)),
  ];
}

it.each(Object.keys(PROGRAMS) as ProgramName[])("the page has every key of the %s", (program) => {
  const page = configurationPage();
  const keys = keysOf(jsonSchemaOfProgram(program), "");
  expect(keys.filter((key) => !page.includes(`| \`${key}\` |`) && !page.includes(`\n### ${key}\n`))).toEqual([]);
});
