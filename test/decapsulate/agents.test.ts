import { describe, expect, it } from "vitest";
import { Agents } from "../../src/decapsulate/agents.ts";
import { addressOctets } from "../support/packets.ts";

const viewOf = (ip: string): DataView => new DataView(Uint8Array.from(addressOctets(ip)).buffer);

describe("rules of agents", () => {
  it.each<[rule: string, sender: string, family: 4 | 6, isAllowed: boolean]>([
    ["32.1.13.184", "32.1.13.184", 4, true],
    ["2001:db8::", "2001:db8::", 6, true],
    // The same octets: 32.1.13.184 is 2001:0db8.
    ["32.1.13.184", "2001:db8::", 6, false],
    ["2001:db8::", "32.1.13.184", 4, false],
    ["10.0.0.1", "10.0.0.2", 4, false],
  ])("%s and the sender %s (IPv%i): %s", (address, sender, family, isAllowed) => {
    const agents = new Agents([{ name: "tap", address, key: null }]);
    expect(agents.ofSender(viewOf(sender), 0, family, 1) >= 0).toBe(isAllowed);
  });

  it("who sends in one agent's name with ever other keys shuts no other out", () => {
    const rules = ["10.0.0.1", "10.0.0.2"].map((address) => ({ name: address, address, key: null }));
    const agents = new Agents(rules);
    const places = Array.from({ length: 2000 }, (_, key) => agents.ofSender(viewOf("10.0.0.1"), 0, 4, key));
    expect(places.filter((agent) => agent >= 0)).toHaveLength(512);
    expect(agents.ofSender(viewOf("10.0.0.2"), 0, 4, 7)).toBe(512);
  });
});
