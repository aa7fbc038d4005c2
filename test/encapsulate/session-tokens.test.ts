import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { PcapDecoder } from "../../src/capture-file/pcap-decoder.ts";
import { Agents } from "../../src/decapsulate/agents.ts";
import { Decapsulation } from "../../src/decapsulate/decapsulate.ts";
import { FlowSelection } from "../../src/encapsulate/flow-selection.ts";
import { isSampled } from "../../src/encapsulate/session-hash.ts";
import { SessionTokens } from "../../src/encapsulate/session-tokens.ts";
import { PacketVector } from "../../src/vector.ts";
import { addressText } from "../../src/wire/address.ts";

/**
 * What the selection makes of a recording: of each flow, its packets by what names their session, `syn` for those that none
 * names.
 */
function named(
  file: string,
  share = 1,
  tokens = new SessionTokens(),
): { flows: Map<string, Map<string, number>>; selection: FlowSelection } {
  const octets = Uint8Array.from(gunzipSync(readFileSync(new URL(`../captures/${file}.pcap.gz`, import.meta.url))));
  const selection = new FlowSelection({ maxFlows: 1024, idleMs: 600_000, lingerMs: 2000, seed: 5, tokens });
  selection.share = share;
  const decapsulation = new Decapsulation(new Agents([]), null);
  const decoder = new PcapDecoder();
  const vector = new PacketVector();
  const flows = new Map<string, Map<string, number>>();
  vector.use(octets);
  for (let at = 0, next = -1; at !== next; ) {
    at = Math.max(next, 0);
    next = decoder.decode(vector, at, octets.length);
    decapsulation.process(vector);
    selection.select(vector);
    for (let i = 0; i < vector.length; i++) {
      if (selection.selected[i] === 0) continue;
      const family = vector.family[i] ?? 4;
      const length = family === 4 ? 4 : 16;
      const ports = vector.ports[i] ?? 0;
      const ends = [0, 1].map((end) => {
        const address = addressText(vector.view, (vector.addressAt[i] ?? 0) + end * length, family);
        return `${address} ${end === 0 ? ports >>> 16 : ports & 0xffff}`;
      });
      const flow = ends.toSorted().join(" - ");
      const name = selection.isNamed[i] === 1 ? `0x${selection.session[i]?.toString(16).padStart(8, "0")}` : "syn";
      const packets = flows.get(flow) ?? new Map<string, number>();
      packets.set(name, (packets.get(name) ?? 0) + 1);
      flows.set(flow, packets);
    }
    vector.clear();
  }
  return { flows, selection };
}

interface Truth {
  readonly sessions: readonly { readonly server_token: string | null; readonly client_token: string | null }[];
}

const truthOf = (scenario: string): Truth =>
  JSON.parse(readFileSync(new URL(`../captures/${scenario}/truth.json`, import.meta.url), "utf8"));

/** The names of all flows, each of which has one, but for what a session opens with. */
function namesIn(file: string, share = 1): string[] {
  const names = [...named(file, share).flows.values()].map((packets) =>
    [...packets.keys()].filter((name) => name !== "syn"),
  );
  for (const one of names) expect(one.length).toBeLessThanOrEqual(1);
  return [...new Set(names.flat())].sort();
}

describe("what names a session", () => {
  test.each(["bulk", "ipv6", "nat", "checksum", "join-client", "fastopen"])(
    "%s: on either router the token of the host that was connected to, as its kernel says",
    (scenario) => {
      const tokens = truthOf(scenario).sessions.map(({ server_token }) => server_token);
      for (const router of ["router1", "router2"])
        expect(tokens).toEqual(expect.arrayContaining(namesIn(`${scenario}/${router}`)));
      expect(namesIn(`${scenario}/router1`)).toHaveLength(tokens.length);
    },
  );

  test("server-join: a join of the server's has the client's token, where nothing else was seen", () => {
    const [session] = truthOf("server-join").sessions;
    expect(namesIn("server-join/router1")).toEqual([session?.server_token]);
    expect(namesIn("server-join/router2")).toEqual([session?.client_token]);
  });

  test("a join of the server's finds its session where the third ACK was seen", () => {
    const [session] = truthOf("server-join").sessions;
    const tokens = new SessionTokens();
    const first = named("server-join/router1", 1, tokens);
    const second = named("server-join/router2", 1, tokens);
    const names = [first, second].flatMap(({ flows }) => [...flows.values()].flatMap((packets) => [...packets.keys()]));
    expect([...new Set(names)].sort()).toEqual([session?.server_token, "syn"].sort());
  });

  test("a SYN that opens a session is selected before it has a name, and nothing else is", () => {
    for (const packets of named("http-many/router1").flows.values())
      expect(packets.get("syn") ?? 0).toBeLessThanOrEqual(1);
  });
});

describe("sampling", () => {
  test("leaves out sessions whole, the same ones everywhere, and as many as it says", () => {
    const all = namesIn("http-many/router1");
    const some = namesIn("http-many/router1", 0.4);
    expect(some).toEqual(all.filter((name) => isSampled(Number(name), 0.4)));
    expect(some.length).toBeGreaterThan(0);
    expect(some.length).toBeLessThan(all.length);
    const elsewhere = namesIn("http-many/router2");
    expect(namesIn("http-many/router2", 0.4)).toEqual(elsewhere.filter((name) => isSampled(Number(name), 0.4)));
    const { flows, selection } = named("http-many/router1", 0.4);
    expect(selection.leftOut).toBe(
      flows.size - [...flows.values()].filter((packets) => [...packets.keys()].some((name) => name !== "syn")).length,
    );
    // Of what is left out, nothing but the SYN was copied.
    for (const packets of flows.values())
      if (packets.size === 1 && packets.has("syn")) expect(packets.get("syn")).toBe(1);
  });

  test("of many tokens takes the share, and a smaller share out of a larger one", () => {
    const tokens = Array.from({ length: 20_000 }, (_, n) => n);
    for (const share of [0.01, 0.25, 0.9]) {
      const taken = tokens.filter((token) => isSampled(token, share));
      expect(taken.length / tokens.length).toBeCloseTo(share, 1);
      expect(taken.every((token) => isSampled(token, share + 0.05))).toBe(true);
    }
    expect(tokens.every((token) => isSampled(token, 1))).toBe(true);
  });
});
