import { describe, expect, it } from "vitest";
import { Agents } from "../../src/decapsulate/agents.ts";
import { Decapsulation } from "../../src/decapsulate/decapsulate.ts";
import { CopyEncoder } from "../../src/encapsulate/copy-encoder.ts";
import type { PipelineOptions } from "../../src/pipeline.ts";
import { PacketVector } from "../../src/vector.ts";
import type { Run } from "../support/pipeline-run.ts";
import { observe } from "./observed.ts";
import { routerFiles } from "./truth.ts";

/** Puts a delivery header before a GRE packet: raw IP from agent `n` to the collector. */
type Delivery = (gre: Uint8Array, n: number) => Buffer;

const GRE = 47;
const UDP = 17;

function ipv4(protocol: number, payload: Uint8Array, n: number): Buffer {
  const header = Buffer.from("4500000000000000400000000a6300000a630064", "hex");
  header.writeUInt16BE(20 + payload.length, 2);
  header[9] = protocol;
  header[15] = n + 1;
  return Buffer.concat([header, payload]);
}

function ipv6(protocol: number, payload: Uint8Array, n: number): Buffer {
  const header = Buffer.from("600000000000004020010db8ffff0000000000000000000020010db8ffff00000000000000000064", "hex");
  header.writeUInt16BE(payload.length, 4);
  header[6] = protocol;
  header[23] = n + 1;
  return Buffer.concat([header, payload]);
}

function udp(payload: Uint8Array): Buffer {
  const header = Buffer.from("c000129200000000", "hex");
  header.writeUInt16BE(8 + payload.length, 4);
  return Buffer.concat([header, payload]);
}

const DELIVERIES: readonly [string, Delivery, readonly string[]][] = [
  ["GRE over IPv4", (gre, n) => ipv4(GRE, gre, n), ["10.99.0.1#1", "10.99.0.2#2"]],
  ["GRE over IPv6", (gre, n) => ipv6(GRE, gre, n), ["2001:db8:ffff::1#1", "2001:db8:ffff::2#2"]],
  ["GRE-in-UDP over IPv4", (gre, n) => ipv4(UDP, udp(gre), n), ["10.99.0.1#1", "10.99.0.2#2"]],
  ["GRE-in-UDP over IPv6", (gre, n) => ipv6(UDP, udp(gre), n), ["2001:db8:ffff::1#1", "2001:db8:ffff::2#2"]],
];

/** More than any payload packet has. */
const ROOM = 65_535;

/**
 * Reads a scenario as two agents would deliver it: file n by agent n with key n + 1. `isLost` says which packet of the
 * whole observation is lost on the way; `room` cuts the copies.
 */
function delivered(
  scenario: string,
  deliver: Delivery,
  options: Partial<PipelineOptions> = {},
  isLost: (packet: number) => boolean = () => false,
  room = ROOM,
): Promise<Omit<Run, "fates">> {
  const decapsulation = new Decapsulation(new Agents(null), null);
  const encoders = [0, 1].map((n) => new CopyEncoder({ key: n + 1, room }));
  const target = new Uint8Array(ROOM + 64);
  const outer = new PacketVector();
  let count = 0;
  return observe(routerFiles(scenario), options, (vector, take) => {
    decapsulation.process(vector);
    const packets: Buffer[] = [];
    const times: number[] = [];
    for (let i = 0; i < vector.length; i++) {
      const n = vector.source[i] ?? 0;
      const length = vector.fate[i] === 0 ? (encoders[n]?.encode(vector, i, target) ?? 0) : 0;
      if (length === 0 || isLost(count++)) continue;
      packets.push(deliver(target.subarray(0, length), n));
      times.push(vector.atMicros[i] ?? 0);
    }
    outer.use(Uint8Array.from(Buffer.concat(packets)));
    let at = 0;
    for (const [i, packet] of packets.entries()) {
      outer.add(at, packet.length, packet.length, times[i] ?? 0, 101, 0);
      at += packet.length;
    }
    take(outer);
  });
}

/** What a record says of a session itself, not of who copied it. */
const essence = ({ records }: Pick<Run, "records">) =>
  records.map(({ source, destination, mptcp }) => ({
    source,
    destination,
    id: mptcp.session.id,
    token: mptcp.token,
    stream: mptcp.stream,
    close: mptcp.close,
    hmacs: mptcp.subflows.map(({ join }) => join),
  }));

describe("captures delivered by GRE", () => {
  for (const scenario of ["join-client", "ipv6"]) {
    const reading = observe(routerFiles(scenario));
    it.each(DELIVERIES)(
      `${scenario} by %s: the same ids and streams, agents by outer address and key`,
      async (...row) => {
        const [, deliver, names] = row;
        const plain = await reading;
        const found = await delivered(scenario, deliver);
        expect(essence(found)).toEqual(essence(plain));
        expect(found.records.map(({ mptcp }) => mptcp.subflows.map(({ agents }) => agents))).toEqual(
          plain.records.map(({ mptcp }) =>
            mptcp.subflows.map(({ agents }) => agents.map((name) => (name === "router1" ? names[0] : names[1]))),
          ),
        );
        expect(
          found.ledgers.map(({ name, lost, late, duplicate, restarted }) => ({
            name,
            lost,
            late,
            duplicate,
            restarted,
          })),
        ).toEqual(names.map((name) => ({ name, lost: 0, late: 0, duplicate: 0, restarted: 0 })));
      },
    );
  }

  it("an agent of the allow-list goes by its name, and others are refused", async () => {
    const agents = [{ name: "edge-1", addresses: ["10.99.0.1"], keys: [1] }];
    const deliver = DELIVERIES[0]?.[1] ?? ipv4.bind(null, GRE);
    const found = await delivered("join-client", deliver, { agents });
    expect(found.ledgers.map(({ name }) => name)).toEqual(["edge-1"]);
    expect(found.records[0]?.mptcp.subflows.map((subflow) => subflow.agents)).toEqual([["edge-1"]]);
    expect(found.totals.packets["decapsulate/agent-unknown"]).toBeGreaterThan(0);
  });

  it("a copy that is lost is counted as lost, and shows as a hole", async () => {
    const deliver: Delivery = (gre, n) => ipv4(GRE, gre, n);
    const whole = await delivered("join-client", deliver);
    // Most packets carry octets that come once: the hundredth does.
    const found = await delivered("join-client", deliver, {}, (packet) => packet === 100);
    expect(found.ledgers.reduce((sum, { lost }) => sum + lost, 0)).toBe(1);
    expect(found.totals.packetsIn).toBe(whole.totals.packetsIn - 1);
    expect(found.totals.octets.missing).toBeGreaterThan(0);
    expect(whole.records[0]?.mptcp).not.toHaveProperty("copies_lost");
    expect(found.records[0]?.mptcp.copies_lost).toEqual([{ agent: expect.any(String), copies: 1 }]);
    expect(found.records[0]?.mptcp.session.id).toBe(whole.records[0]?.mptcp.session.id);
  });

  it("copies that are lost with a session's end are told in its record, though none of its own came after them", async () => {
    const deliver: Delivery = (gre, n) => ipv4(GRE, gre, n);
    const found = await delivered("http-many", deliver, {}, (packet) => packet >= 100 && packet < 300);
    const lost = new Map(found.ledgers.map((one) => [one.name, one.lost]));
    const cut = found.records.filter(({ mptcp }) => mptcp.close?.reason === "end-of-input");
    expect(cut.length).toBeGreaterThan(0);
    for (const { mptcp } of cut) {
      const agents = [...new Set(mptcp.subflows.flatMap((subflow) => subflow.agents))];
      expect(mptcp.copies_lost).toEqual(agents.map((agent) => ({ agent, copies: lost.get(agent) })));
    }
  });

  it("copies cut to 126 octets: every octet has its place, none its value", async () => {
    const whole = await observe(routerFiles("join-client"));
    const found = await delivered(
      "join-client",
      (gre, n) => ipv4(GRE, gre, n),
      {},
      () => false,
      126,
    );
    const of = (run: Pick<Run, "records">) => run.records[0]?.mptcp.stream;
    expect(of(found)?.initiator.octets).toBe(of(whole)?.initiator.octets);
    expect(of(found)?.responder.octets).toBe(of(whole)?.responder.octets);
    expect(of(found)?.responder.complete).toBe(false);
    expect(of(found)?.responder.missing.length).toBeGreaterThan(0);
    expect(of(found)?.responder.cut_octets).toBe(of(found)?.responder.missing_octets);
    expect(found.records[0]?.mptcp.subflows.map(({ join }) => join)).toEqual(
      whole.records[0]?.mptcp.subflows.map(({ join }) => join),
    );
  });
});
