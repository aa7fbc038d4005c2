import { describe, expect, it } from "vitest";
import { Pipeline, type Totals } from "../../../src/pipeline.ts";
import { PacketVector } from "../../../src/vector.ts";
import { LINKTYPE_ETHERNET } from "../../../src/wire/link-type.ts";
import { LiveSessions } from "../live/live-sessions.ts";
import { checksum, sum16 } from "../packet-octets.ts";
import { Pieces } from "../pieces.ts";
import { Random } from "../random.ts";
import { type FrameKind, FrameStore, SLOT_OCTETS } from "./frames.ts";

const SESSIONS = 20;
const PACKETS = 1000;
const ETHERNET = 14;

function frames(kind: FrameKind): { store: FrameStore; octets: Uint8Array<ArrayBuffer> } {
  const memory = new ArrayBuffer(PACKETS * SLOT_OCTETS);
  const random = new Random(1);
  const store = new FrameStore(kind, memory, new Pieces(random));
  const live = new LiveSessions({ sessions: SESSIONS, subflows: 2, holes: 0 }, random);
  for (let session = 0; session < SESSIONS; session++) live.setUp(session, store);
  for (let round = 0; !store.isFull; round++) for (let n = 0; n < live.subflows; n++) live.send(n, round, store);
  return { store, octets: new Uint8Array(memory) };
}

/** What a collector makes of frames on Ethernet. */
function totalsOf({ store, octets }: ReturnType<typeof frames>): Totals {
  const pipeline = new Pipeline({
    observer: { name: "test", version: "0" },
    ...{ agents: null, partial: false, revisions: "ended", digest: false, octets: null, record: null },
  });
  const source = pipeline.addSource("wire");
  const vector = new PacketVector();
  vector.use(octets);
  for (const [n, length] of store.lengths.entries()) {
    vector.add(n * SLOT_OCTETS + store.begin, length, length, n, LINKTYPE_ETHERNET, source);
    if (!vector.full && n < PACKETS - 1) continue;
    pipeline.process(vector);
    vector.clear();
  }
  pipeline.finish("end-of-input");
  return pipeline.totals();
}

describe("packets that the bench sends", () => {
  it.each(["gre", "mptcp"] as const)("are live sessions: %s", (kind) => {
    const { packets, sessions, subflows } = totalsOf(frames(kind));
    expect(packets).toEqual({ "session/counted": PACKETS });
    expect([sessions.opened, sessions.ended, subflows.joined]).toEqual([SESSIONS, SESSIONS, SESSIONS]);
  });

  it("have no MPTCP in them where none is asked for", () => {
    const { sessions, packets } = totalsOf(frames("plain"));
    expect(sessions).toMatchObject({ opened: 0, partial: 0 });
    expect(packets["session/counted"]).toBeUndefined();
  });

  it("are copies as long as what is sent of them, with the sum of their header", () => {
    const { store, octets } = frames("gre");
    const view = new DataView(octets.buffer);
    for (const [n, length] of store.lengths.entries()) {
      const ip = n * SLOT_OCTETS + ETHERNET;
      expect(view.getUint16(ip + 2)).toBe(length - ETHERNET);
      expect(checksum(sum16(view, ip, 20))).toBe(0);
    }
  });

  it("are as datagrams the same without the headers that the kernel writes", () => {
    const [gre, udp] = [frames("gre"), frames("udp")];
    expect(udp.octets).toEqual(gre.octets);
    expect(udp.store.begin).toBe(ETHERNET + 20);
    expect([...udp.store.lengths]).toEqual([...gre.store.lengths].map((length) => length - ETHERNET - 20));
  });
});
