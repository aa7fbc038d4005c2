import { expect, it } from "vitest";
import { sizingPage } from "./sizing-page.ts";

// `npm run schema` writes the page anew; this fails where it is stale.
it("docs/sizing.md is what docs/performance.md says", async () => {
  await expect(sizingPage()).toMatchFileSnapshot("../../docs/sizing.md");
});
