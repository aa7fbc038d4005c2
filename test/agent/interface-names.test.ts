import { expect, test } from "vitest";
import { interfaceNames } from "../../collectors/agent/interface-names.ts";

const PRESENT = ["br0", "eth0", "eth1", "eth1.7", "lo"];

test.each([
  { wanted: ["eth1", "eth0", "eth1"], excluded: [], names: ["eth1", "eth0"] },
  { wanted: ["eth*"], excluded: [], names: ["eth0", "eth1", "eth1.7"] },
  { wanted: ["eth*", "br0"], excluded: ["*.7", "eth0"], names: ["eth1", "br0"] },
  { wanted: ["ppp0"], excluded: [], names: ["ppp0"] },
  { wanted: [], excluded: ["eth0"], names: [] },
])("$wanted without $excluded are $names", ({ wanted, excluded, names }) => {
  expect(interfaceNames(wanted, excluded, PRESENT)).toEqual(names);
});

test("a pattern that stands for nothing, and exclusions that leave nothing, are said", () => {
  expect(() => interfaceNames(["ppp*"], [], PRESENT)).toThrow(/no interface is called ppp\*/);
  expect(() => interfaceNames(["eth0"], ["*"], PRESENT)).toThrow(/leaves no interface/);
});
