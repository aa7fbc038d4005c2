import { describe, expect, it } from "vitest";
import { Agents } from "../../src/decapsulate/agents.ts";
import { PacketVector } from "../../src/vector.ts";
import { DeliveryFields, encapsulationOf } from "../../src/wire/delivery-fields.ts";
import { addressOctets } from "../support/packets.ts";

const viewOf = (ip: string): DataView => new DataView(Uint8Array.from(addressOctets(ip)).buffer);

const fields = (said: Partial<DeliveryFields>): DeliveryFields => Object.assign(new DeliveryFields(), said);

describe("rules of agents", () => {
  it.each<[rule: string, sender: string, family: 4 | 6, isAllowed: boolean]>([
    ["32.1.13.184", "32.1.13.184", 4, true],
    ["2001:db8::", "2001:db8::", 6, true],
    // The same octets: 32.1.13.184 is 2001:0db8.
    ["32.1.13.184", "2001:db8::", 6, false],
    ["2001:db8::", "32.1.13.184", 4, false],
    ["10.0.0.1", "10.0.0.2", 4, false],
    ["10.0.0.0/30", "10.0.0.3", 4, true],
    ["10.0.0.0/30", "10.0.0.4", 4, false],
    ["0.0.0.0/0", "255.255.255.255", 4, true],
    ["0.0.0.0/0", "::1", 6, false],
    ["2001:db8:4::/46", "2001:db8:7:ffff::1", 6, true],
    ["2001:db8:4::/46", "2001:db8:8::1", 6, false],
  ])("%s and the sender %s (IPv%i): %s", (address, sender, family, isAllowed) => {
    const agents = new Agents([{ name: "tap", addresses: [address], keys: null }]);
    expect(agents.ofSender(viewOf(sender), 0, family, fields({ key: 1 })) >= 0).toBe(isAllowed);
  });

  it("say which of them never sent, by rule: not a source, nor one of which a packet came, and all that a reload adds", () => {
    const named = (name: string, key: number) => ({ name, addresses: null, keys: [key] });
    const agents = new Agents([named("router1", 1), named("router2", 2), named("router2", 3)]);
    agents.addSource("udp *:4754");
    expect(agents.silent()).toEqual(["router1", "router2"]);
    const agent = agents.ofSender(viewOf("10.0.0.1"), 0, 4, fields({ key: 3 }));
    agents.stream(agent).count(-1, 100, new PacketVector(), 0);
    expect(agents.silent()).toEqual(["router1"]);
    agents.changeRules([named("router2", 2), named("router3", 3)], null);
    expect(agents.silent()).toEqual(["router3"]);
    expect(new Agents(null).silent()).toEqual([]);
  });

  it("who sends in one agent's name with ever other keys shuts no other out", () => {
    const rules = ["10.0.0.1", "10.0.0.2"].map((address) => ({ name: address, addresses: [address], keys: null }));
    const agents = new Agents(rules);
    const places = Array.from({ length: 2000 }, (_, key) => agents.ofSender(viewOf("10.0.0.1"), 0, 4, fields({ key })));
    expect(places.filter((agent) => agent >= 0)).toHaveLength(512);
    expect(agents.ofSender(viewOf("10.0.0.2"), 0, 4, fields({ key: 7 }))).toBe(512);
  });

  it("a rule with keys and encapsulations takes no others, and the first that fits gives the name", () => {
    const agents = new Agents([
      { name: "switch", addresses: ["10.0.0.0/24"], keys: [7, 8], encapsulations: ["erspan", "vxlan"] },
      { name: "rest", addresses: ["10.0.0.0/24"], keys: [8], encapsulations: null },
    ]);
    const nameOf = (key: number, encapsulation: "erspan" | "vxlan" | "gre"): string | null => {
      const said = fields({ key, encapsulation: encapsulationOf(encapsulation) });
      const agent = agents.ofSender(viewOf("10.0.0.9"), 0, 4, said);
      return agent < 0 ? null : agents.name(agent);
    };
    expect(nameOf(7, "erspan")).toBe("switch");
    expect(nameOf(8, "vxlan")).toBe("switch");
    expect(nameOf(8, "gre")).toBe("rest");
    expect(nameOf(7, "gre")).toBeNull();
    expect(nameOf(-1, "erspan")).toBeNull();
  });

  it("streams of one sender that differ in key or encapsulation have a ledger each, directions of ERSPAN one", () => {
    const agents = new Agents(null);
    const agentOf = (said: Partial<DeliveryFields>): number =>
      agents.ofSender(viewOf("10.0.0.1"), 0, 4, fields({ key: 1, ...said }));
    const erspan = encapsulationOf("erspan");
    const [gre, inUdp, inward, outward] = [
      agentOf({}),
      agentOf({ encapsulation: encapsulationOf("gre-in-udp") }),
      agentOf({ encapsulation: erspan }),
      agentOf({ encapsulation: erspan, isEgress: true }),
    ];
    expect(new Set([gre, inUdp, inward, outward]).size).toBe(4);
    expect(agents.stream(outward)).toBe(agents.stream(inward));
    expect(agents.stream(inUdp)).not.toBe(agents.stream(gre));
    expect([agents.name(inward), agents.name(outward)]).toEqual(["10.0.0.1#1", "10.0.0.1#1/egress"]);
  });
});

describe("rules that change while packets come", () => {
  const rule = (name: string, address: string, packetsPerSecond: number | null = null) => ({
    ...{ name, addresses: [address], keys: null, packetsPerSecond },
  });
  const sender = (agents: Agents, address: string, key = 7) => agents.ofSender(viewOf(address), 0, 4, fields({ key }));
  const usual = (agents: Agents, address: string) => agents.ofUsualSender(viewOf(address).getInt32(0), 7, 0);

  it("refuse who is named no more, also where it was just looked up, and let in who is named now", () => {
    const agents = new Agents([rule("a", "10.0.0.1")]);
    const a = sender(agents, "10.0.0.1");
    expect([a, sender(agents, "10.0.0.1"), usual(agents, "10.0.0.1"), sender(agents, "10.0.0.2") < 0]).toEqual([
      ...[a, a, a],
      true,
    ]);
    agents.changeRules([rule("b", "10.0.0.2")], null);
    expect([usual(agents, "10.0.0.1"), sender(agents, "10.0.0.1") < 0]).toEqual([-1, true]);
    expect(agents.name(sender(agents, "10.0.0.2"))).toBe("b");
    agents.changeRules(null, null);
    expect(agents.name(sender(agents, "10.0.0.3"))).toBe("10.0.0.3#7");
  });

  it("go on with a ledger where a stream keeps its name, and begin another under another", () => {
    const agents = new Agents([rule("a", "10.0.0.1")]);
    const a = sender(agents, "10.0.0.1");
    agents.changeRules([rule("a", "10.0.0.0/8")], null);
    expect(sender(agents, "10.0.0.1")).toBe(a);
    agents.changeRules([rule("b", "10.0.0.1")], null);
    const b = sender(agents, "10.0.0.1");
    expect([b === a, agents.name(b), agents.name(a)]).toEqual([false, "b", "a"]);
    agents.changeRules([rule("a", "10.0.0.1")], null);
    expect(sender(agents, "10.0.0.1")).toBe(a);
  });

  it("bound streams that were known before", () => {
    const agents = new Agents([rule("a", "10.0.0.1")]);
    const a = sender(agents, "10.0.0.1");
    expect(agents.stream(a).bound).toBeNull();
    agents.changeRules([rule("a", "10.0.0.1", 5)], null);
    sender(agents, "10.0.0.1");
    expect(agents.stream(a).bound).not.toBeNull();
  });

  it("count streams of before to their rule's share", () => {
    const rules = [rule("a", "10.0.0.1"), rule("b", "10.0.0.2")];
    const agents = new Agents(rules);
    for (let key = 0; key < 500; key++) sender(agents, "10.0.0.1", key);
    agents.changeRules(rules, null);
    const places = Array.from({ length: 100 }, (_, n) => sender(agents, "10.0.0.1", 1000 + n));
    expect(places.filter((place) => place >= 0)).toHaveLength(12);
  });

  it("stay as they were where another is no rule", () => {
    const agents = new Agents([rule("a", "10.0.0.1")]);
    expect(() => agents.changeRules([rule("b", "nowhere")], null)).toThrow(RangeError);
    expect(agents.name(sender(agents, "10.0.0.1"))).toBe("a");
  });
});
