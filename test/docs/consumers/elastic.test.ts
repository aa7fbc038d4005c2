import { describe, expect, it } from "vitest";
import { INDICES, indexTemplateOf } from "./index-template.ts";

describe.each(Object.entries(INDICES))("%s", (dataset, index) => {
  // `npm run schema` writes the files anew; this fails where one is stale.
  it(`docs/consumers/elastic/${index}.json is what the schema says`, async () => {
    const template = indexTemplateOf(dataset as keyof typeof INDICES);
    await expect(`${JSON.stringify(template, null, 2)}\n`).toMatchFileSnapshot(
      `../../../docs/consumers/elastic/${index}.json`,
    );
  });
});
