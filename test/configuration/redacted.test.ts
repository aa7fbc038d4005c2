import { expect, it } from "vitest";
import { parse } from "yaml";
import { redactedConfiguration } from "../../collectors/configuration/redacted.ts";

const secret = { type: "string", writeOnly: true };
const SCHEMA = {
  properties: {
    user: { type: "string" },
    password: secret,
    none: secret,
    more: { items: { properties: { token: secret, place: { type: "string" } } } },
  },
};

it("shows no secret: what was referred to stands as it was written, what was written out is left out", () => {
  const values = {
    user: "u-hidden",
    password: "p-hidden",
    none: null,
    more: [{ token: "t-hidden", place: "l-hidden" }],
  };
  const references = new Map([
    ["user", "${env:USER}"],
    ["more[0].place", "at ${file:/x}"],
  ]);
  const printed = redactedConfiguration(SCHEMA, values, references);
  expect(printed).not.toContain("hidden");
  expect(parse(printed)).toEqual({
    user: "${env:USER}",
    password: "(secret)",
    none: null,
    more: [{ token: "(secret)", place: "at ${file:/x}" }],
  });
});
