import { expect, it } from "vitest";
import { configurationPage } from "./configuration-page.ts";

// `npm run schema` writes the page anew; this fails where it is stale.
it("docs/configuration.md is what the schemas say", async () => {
  await expect(configurationPage()).toMatchFileSnapshot("../../docs/configuration.md");
});
