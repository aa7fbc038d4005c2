import { expect, it } from "vitest";
import { resolveDestination } from "../../collectors/agent/destination.ts";

it("a collector that has no address is an operational failure", async () => {
  await expect(resolveDestination({ host: "nobody.invalid", port: 1 })).rejects.toMatchObject({
    code: "collector-unknown",
  });
});
