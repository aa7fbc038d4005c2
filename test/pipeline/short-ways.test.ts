import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { afterAll, describe, expect, it, vi } from "vitest";
import type { Chunk, PipelineOptions } from "../../src/pipeline.ts";
import type { SubflowEvents } from "../../src/subflow/subflow-events.ts";
import type { PacketVector } from "../../src/vector.ts";
import { routerFiles } from "../scenario/truth.ts";
import { Conversation } from "../support/conversation.ts";
import { ACK, option } from "../support/packets.ts";
import type { RunPacket } from "../support/pipeline-run.ts";

const LOOPS = "../../src/for-vector.ts";
const DECAPSULATE = "../../src/decapsulate/steady-path.ts";
const SUBFLOW = "../../src/subflow/steady-path.ts";
const SESSION = "../../src/session/steady-path.ts";

/** Packets that are no longer under way need no event; every other one goes the general way. */
const followNone = (vector: PacketVector, out: SubflowEvents) => (from: number, count: number) => {
  let i = from;
  for (; i < count && vector.fate[i] !== 0; i++) {
    out.kind[i] = 0;
    out.replaced[i] = -1;
  }
  return i;
};

/** Lets `MirrorDuplicates` of this library ask its general form of each packet whose subflow is known. */
async function askOfEach(): Promise<void> {
  const { MirrorDuplicates } = await import("../../src/subflow/mirror-duplicates.ts");
  Object.assign(MirrorDuplicates.prototype, {
    loop(this: { subflow: Int32Array }, vector: PacketVector) {
      return (from: number, count: number) => {
        let i = from;
        while (i < count && (vector.fate[i] !== 0 || (this.subflow[i] ?? -1) < 0)) i++;
        return i;
      };
    },
  });
}

/** The library anew, with its short ways and its loops made once, or with general ones only, made at each call. */
async function library(isShort: boolean) {
  vi.resetModules();
  if (isShort) for (const path of [LOOPS, DECAPSULATE, SUBFLOW, SESSION]) vi.doUnmock(path);
  else {
    vi.doMock(LOOPS, () => ({ forVector: (make: unknown) => make }));
    vi.doMock(DECAPSULATE, () => ({ steadyDecoder: () => (from: number) => from }));
    vi.doMock(SUBFLOW, () => ({ steadyFollower: followNone }));
    vi.doMock(SESSION, () => ({ steadyTaker: () => (from: number) => from }));
    await askOfEach();
  }
  const { observe } = await import("../scenario/observed.ts");
  const { run } = await import("../support/pipeline-run.ts");
  return { observe, run };
}

const OPTIONS: Partial<PipelineOptions> = { octets: null, digest: false, partial: true, revisions: "all" };

/** Tables are made anew for each run, and what is run is one session. */
const SMALL = { ...OPTIONS, bounds: { sessions: 64, subflows: 128, rememberedOctets: 2 ** 16, streamWindows: 64 } };

const short = await library(true);
const general = await library(false);
afterAll(() => vi.resetModules());

/** GRE with key and sequence number over IPv4 around an IPv4 packet. */
function delivered({ octets, wire, ...rest }: RunPacket, sequence: number, viaUdp: boolean): RunPacket {
  const header = Buffer.alloc(viaUdp ? 40 : 32);
  header.writeUInt16BE(0x4500, 0);
  header.writeUInt16BE(header.length + wire, 2);
  header[9] = viaUdp ? 17 : 47;
  header.writeUInt32BE(0x0a090000 + (sequence % 3), 12);
  if (viaUdp) header.writeUInt16BE(4754, 22);
  header.writeUInt32BE(0x30000800, header.length - 12);
  header.writeUInt32BE(7, header.length - 8);
  header.writeUInt32BE(sequence, header.length - 4);
  return { ...rest, octets: Buffer.concat([header, octets]), wire: header.length + wire, linkType: 228 };
}

const change = fc.record({
  kind: fc.constantFrom("set", "set", "cut", "swap", "double", "drop", "plain"),
  at: fc.nat(10_000),
  octet: fc.nat(140),
  value: fc.nat(255),
});

const changes = fc.array(change, { maxLength: 12, size: "max" });
const wanted = fc.constantFrom("records", "digests", "chunks");

/** Who makes loops for a vector, and the test that holds them against the code that they repeat. */
const MAKERS = {
  "decapsulate/decapsulate": "pipeline/short-ways",
  "session/session-stage": "pipeline/short-ways",
  // Repeats nothing.
  "subflow/fingerprints": "subflow/mirror-duplicates",
  "subflow/flow-key": "subflow/flow-key",
  "subflow/mirror-duplicates": "pipeline/short-ways",
  "subflow/resolution": "subflow/resolution",
  "subflow/subflow-stage": "pipeline/short-ways",
};

it("whoever makes loops for a vector says which test holds them", () => {
  const path = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
  const makers = readdirSync(path("src"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts") && /\bforVector\(/.test(readFileSync(path(`src/${name}`), "utf8")))
    .map((name) => name.slice(0, -3));
  expect(makers.toSorted()).toEqual(Object.keys(MAKERS));
  expect(Object.values(MAKERS).filter((test) => !existsSync(path(`test/${test}.test.ts`)))).toEqual([]);
});

describe("the short ways tell what the general ones tell", () => {
  it.each(["join-client", "ipv6", "delay-loss", "fastclose-client", "nat", "strip-synack"])("%s", async (scenario) => {
    const [a, b] = await Promise.all([
      short.observe(routerFiles(scenario), OPTIONS),
      general.observe(routerFiles(scenario), OPTIONS),
    ]);
    expect(a.totals.packetsIn).toBeGreaterThan(100);
    expect(a.totals).toEqual(b.totals);
    expect(a.records).toEqual(b.records);
  });

  it.each([false, true])(
    "copies with octets changed, cut, swapped, doubled and lost; with checksums: %s",
    (checksum) => {
      const talk = new Conversation({ version: 1, checksum }).open();
      const joined = talk.join({});
      for (let n = 0; n < 20; n++) {
        const way = n % 2 === 0 ? { on: joined } : {};
        talk.send(n % 3 === 0 ? 1 : 0, Buffer.alloc(30 + n, n), { ...way, narrow: n % 5 === 4 });
        if (n === 9) talk.segment(joined, 0, ACK, [option.dss({ ack: 1 }), option.removeAddr(3)]);
      }
      talk.close(talk.initial, joined);
      fc.assert(
        fc.property(changes, fc.constantFrom(1, 7, 64), wanted, (changes, batch, wanted) => {
          const packets = talk.packets.map((packet, n) => delivered(packet, n, n % 2 === 1));
          for (const { kind, at, octet, value } of changes) {
            const n = at % packets.length;
            const packet = packets[n];
            if (packet === undefined) continue;
            const octets = Buffer.from(packet.octets);
            if (kind === "set") octets[octet % octets.length] = value;
            const whole = { ...packet, octets };
            if (kind === "cut") packets[n] = { ...whole, octets: octets.subarray(0, octet) };
            else if (kind === "drop") packets.splice(n, 1);
            else if (kind === "double") packets.splice(n, 0, whole);
            else if (kind === "plain") packets[n] = talk.packets[n % talk.packets.length] ?? packet;
            else if (kind === "swap") packets.push(...packets.splice(n, 1));
            else packets[n] = whole;
          }
          const [a, b] = [short, general].map(({ run }) => {
            const chunks: Chunk[] = [];
            const chunk = (one: Chunk) => void chunks.push({ ...one, octets: Uint8Array.from(one.octets) });
            const options = wanted === "chunks" ? { ...SMALL, chunk } : { ...SMALL, digest: wanted === "digests" };
            const { fates, totals, ledgers, records } = run(packets, options, batch);
            return { fates, totals, ledgers, records, chunks };
          });
          expect(a).toEqual(b);
        }),
        { numRuns: Number(process.env.REJOIN_FUZZ_RUNS ?? 300) },
      );
    },
  );
});
