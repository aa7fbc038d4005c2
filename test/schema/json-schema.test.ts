import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { type Dataset, jsonSchemaOf, RECORD_SCHEMAS } from "../../schema/json-schema.ts";

const EXAMPLES = new URL("../../schema/examples/", import.meta.url);

describe.each(Object.keys(RECORD_SCHEMAS) as Dataset[])("%s", (dataset) => {
  const name = `${dataset.replace("rejoin.", "")}-record.schema.json`;

  // `npm run schema` writes the files anew; this fails where one is stale.
  it(`is in schema/json/${name} as it is in zod`, async () => {
    await expect(`${JSON.stringify(jsonSchemaOf(dataset), null, 2)}\n`).toMatchFileSnapshot(
      `../../schema/json/${name}`,
    );
  });

  it("takes the examples when it is read back from the file", () => {
    const text = readFileSync(new URL(`../../schema/json/${name}`, import.meta.url), "utf8");
    const schema = z.fromJSONSchema(JSON.parse(text));
    const examples = readdirSync(EXAMPLES)
      .map((file) => JSON.parse(readFileSync(new URL(file, EXAMPLES), "utf8")))
      .filter((record) => record.event.dataset === dataset);
    expect(examples).not.toEqual([]);
    for (const record of examples) {
      expect(schema.safeParse(record).error).toBeUndefined();
      expect(schema.safeParse({ ...record, later: 1 }).error).toBeUndefined();
      expect(schema.safeParse({ ...record, observer: undefined }).success).toBe(false);
    }
  });
});
