import { describe, expect, test } from "vitest";
import { SEGMENT_OCTETS } from "../conversation.ts";
import type { Segment } from "../packet-octets.ts";
import { Pieces } from "../pieces.ts";
import { Random } from "../random.ts";
import { liveWorkload } from "./feeding.ts";
import { LiveSessions } from "./live-sessions.ts";
import type { LiveWorkload } from "./workload.ts";

/** Where the fields of a data packet's DSS lie among its TCP options. */
const DATA_ACK = 16;
const DSN = 24;
const SSN = 32;

/**
 * A stream as a receiver sees it: places of its segments, in order of arrival, by DSN; and what the other side said has
 * come.
 */
interface Stream {
  readonly places: bigint[];
  readonly acknowledged: { readonly dataAck: bigint; readonly segments: number }[];
}

/**
 * The streams that the sessions of a workload send, in pairs: initiator's, responder's. Checks sequence numbers on the way.
 */
function streamsOf(workload: LiveWorkload): { handshakes: number; streams: Stream[] } {
  const random = new Random(workload.seed);
  const pieces = new Pieces(random);
  const live = new LiveSessions(workload, random);
  let handshakes = 0;
  for (let session = 0; session < workload.sessions; session++) {
    live.setUp(session, { pieces, micros: 0, write: () => void handshakes++ });
  }
  const streams = Array.from({ length: 2 * workload.sessions }, (): Stream => ({ places: [], acknowledged: [] }));
  /** By subflow and side: the sequence number that comes first, and the one that comes next. */
  const first = new Map<string, number>();
  const next = new Map<string, number>();
  for (let round = 0; round < workload.firstRounds; round++) {
    for (let session = 0; session < workload.sessions; session++) {
      for (let subflow = live.firstSubflow(session); subflow < live.firstSubflow(session + 1); subflow++) {
        const write = ({ seq, sourcePort, optionsView }: Segment): void => {
          const side = sourcePort === 443 ? 1 : 0;
          const sender = `${subflow} ${side}`;
          if (!first.has(sender)) first.set(sender, seq);
          expect(seq).toBe(next.get(sender) ?? seq);
          next.set(sender, (seq + SEGMENT_OCTETS) >>> 0);
          const relative = 1 + ((seq - (first.get(sender) ?? 0)) >>> 0);
          const place = optionsView.getBigUint64(DSN) + BigInt(relative - optionsView.getUint32(SSN));
          streams[2 * session + side]?.places.push(place);
          const other = streams[2 * session + 1 - side];
          const dataAck = optionsView.getBigUint64(DATA_ACK);
          other?.acknowledged.push({ dataAck, segments: other.places.length });
        };
        live.send(subflow, round, { pieces, micros: 0, write });
      }
    }
  }
  return { handshakes, streams };
}

const lowest = (places: readonly bigint[]): bigint => [...places].sort((a, b) => (a < b ? -1 : 1))[0] ?? 0n;

/** The most holes that a stream has at a time. */
function mostHoles(places: readonly bigint[]): number {
  const step = BigInt(SEGMENT_OCTETS);
  const seen = new Set([lowest(places) - step]);
  let ranges = 1;
  let most = 0;
  for (const place of places) {
    ranges += 1 - Number(seen.has(place - step)) - Number(seen.has(place + step));
    seen.add(place);
    most = Math.max(most, ranges - 1);
  }
  return most;
}

const WORKLOADS = [
  { title: "1, 2, 3, 4 subflows in turn", workload: liveWorkload({ sessions: 8, firstRounds: 16 }), handshakes: 8 * 9 },
  {
    title: "2 subflows, holes",
    workload: liveWorkload({ sessions: 3, subflows: 2, firstRounds: 80, holes: 20 }),
    handshakes: 3 * 7,
  },
];

describe.each(WORKLOADS)("live sessions: $title", ({ workload, handshakes }) => {
  const made = streamsOf(workload);

  test("have handshakes of three packets, and four of each further subflow", () => {
    expect(made.handshakes).toBe(handshakes);
  });

  test("send each octet of a stream once, with no hole in the end", () => {
    for (const { places } of made.streams) {
      const sorted = places.toSorted((a, b) => (a < b ? -1 : 1));
      expect(sorted).toEqual(sorted.map((_, i) => lowest(places) + BigInt(i * SEGMENT_OCTETS)));
    }
  });

  test("have as many holes at a time as was asked for", () => {
    const most = made.streams.map(({ places }) => mostHoles(places));
    if (workload.holes > 0) expect(new Set(most)).toEqual(new Set([workload.holes]));
    else expect(Math.max(...most)).toBeLessThanOrEqual(3);
  });

  test("acknowledge octets before which nothing is missing, and in the end more than half", () => {
    for (const { places, acknowledged } of made.streams) {
      const first = lowest(places);
      for (const { dataAck, segments } of acknowledged) {
        const come = new Set(places.slice(0, segments));
        let reached = first;
        while (come.has(reached)) reached += BigInt(SEGMENT_OCTETS);
        expect(dataAck).toBeGreaterThanOrEqual(first);
        expect(dataAck).toBeLessThanOrEqual(reached);
      }
      const last = acknowledged.at(-1)?.dataAck ?? 0n;
      expect(Number(last - first)).toBeGreaterThanOrEqual((places.length * SEGMENT_OCTETS) / 2);
    }
  });
});
