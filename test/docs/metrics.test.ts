import { expect, it } from "vitest";
import { metricsPage } from "./metrics-page.ts";

// `npm run schema` writes the page anew; this fails where it is stale.
it("docs/metrics.md is what the code says", async () => {
  await expect(metricsPage()).toMatchFileSnapshot("../../docs/metrics.md");
});
