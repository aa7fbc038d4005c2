import { expect, it } from "vitest";
import { sourceNames } from "../../collectors/offline/source-name.ts";

it.each([
  [["router1.pcap"], ["router1"]],
  [
    ["captures/router1.pcap.gz", "router2.PCAPNG.zst"],
    ["router1", "router2"],
  ],
  [["-"], ["stdin"]],
  [["site.a.cap"], ["site.a"]],
  [[".pcap"], [".pcap"]],
  [
    ["a/router1.pcap", "b/router1.pcap.gz", "router2.pcap"],
    ["a/router1", "b/router1", "router2"],
  ],
  [
    ["x/a/r.pcap", "y/a/r.pcap"],
    ["x/a/r", "y/a/r"],
  ],
  [
    ["a/r.pcap", "a/r.pcapng"],
    ["r.pcap", "r.pcapng"],
  ],
  [
    ["stdin.pcap", "-"],
    [undefined, "stdin"],
  ],
])("names %j", (paths, names) => {
  const given = sourceNames(paths);
  expect(new Set(given).size).toBe(paths.length);
  for (const [i, name] of names.entries()) if (name !== undefined) expect(given[i]).toBe(name);
});
