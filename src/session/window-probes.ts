import type * as events from "../subflow/subflow-events.ts";
import type { PacketVector } from "../vector.ts";
import { DSS_DATA_FIN, DSS_MAPPING, decodeMptcp, MptcpOptions } from "../wire/mptcp.ts";
import { acknowledgedOf } from "./acknowledged.ts";
import * as table from "./session-table.ts";
import type { Sessions } from "./sessions.ts";

/** Probes of a stream that are kept, so that one that TCP sends again is none of its own: the newest. */
const MAX_KEPT = 8;

interface Probe {
  readonly offset: number;
  readonly octet: number;
  readonly subflow: number;
  readonly ssn: number;
}

/** Octets of a stream's sender that probed a closed window, each once, and the newest of them. */
export interface WindowProbes {
  octets: number;
  newest: Probe[];
}

const options = new MptcpOptions();

/**
 * Takes packet i, one mapped octet for `offset` of a stream, if it is a probe of a closed window, and says whether it is. Where
 * the window is closed and all is acknowledged, Linux sends the next octet, on each subflow that waits, behind new sequence
 * numbers, in a mapping of its own at the last octet that was acknowledged (`mptcp_sendmsg_frag`, as of 6.18): the
 * receiver drops it and answers with its window. It is another than what was sent there before, and takes nobody in.
 *
 * Only an octet that differs from what came first is a probe; one that is alike counts as repeated. Its place must be
 * acknowledged. And it must be the last place of what was sent, or, where the probe waited on its path until the stream had
 * gone on, the octet must be the one behind its place, with which a segment (or a window of octets that are kept) began.
 */
export function takeWindowProbe(
  sessions: Sessions,
  session: number,
  side: 0 | 1,
  offset: number,
  vector: PacketVector,
  seen: events.SubflowEvents,
  i: number,
): boolean {
  const acknowledged = acknowledgedOf(sessions, session, side);
  if (acknowledged === null || offset < 0 || offset >= acknowledged || !isAlone(vector, seen, i)) return false;
  const stream = session * 2 + side;
  const at = seen.dataAt[i]!;
  const subflow = seen.subflow[i]!;
  /** Whether the octet is the one of a place; null where that is not remembered. */
  const isSame = (place: number): boolean | null => {
    const { memory } = sessions;
    memory.compare(stream, place, place + 1, vector.block, at - place, subflow);
    return memory.compared === 0 ? null : memory.differing === 0;
  };
  if (isSame(offset) !== false) return false;
  const octet = vector.block[at]!;
  const ssn = seen.ssn[i]!;
  const before = sessions.rare.windowProbes
    .get(stream)
    ?.newest.find((one) => one.subflow === subflow && one.ssn === ssn);
  // Sent again by TCP, which sends the same.
  if (before !== undefined) return before.offset === offset && before.octet === octet;
  const half = (session * table.SESSION_WORDS + table.SIDE + side * table.SIDE_WORDS) >> 1;
  const end = offset + 1;
  const isLast = end === acknowledged && end === sessions.table.floats[half + (table.HIGHEST >> 1)]!;
  if (!isLast && (isSame(end) !== true || sessions.memory.pieceAt !== end)) return false;
  count(sessions, stream, { offset, octet, subflow, ssn });
  return true;
}

/** Counts a probe, and keeps it where there is room among those of all streams. */
function count({ rare }: Sessions, stream: number, probe: Probe): void {
  let known = rare.windowProbes.get(stream);
  if (known === undefined) {
    known = { octets: 0, newest: [] };
    rare.windowProbes.set(stream, known);
  }
  known.octets++;
  if (known.newest.length >= MAX_KEPT) known.newest.shift();
  else if (!rare.allotments.probes.take()) return;
  known.newest.push(probe);
}

/** Whether the payload of packet i is one octet, which was captured, under a mapping that its own DSS states for it alone. */
function isAlone(vector: PacketVector, seen: events.SubflowEvents, i: number): boolean {
  const at = vector.mptcpAt[i]!;
  if (vector.payloadLength[i] !== 1 || seen.dataCaptured[i] !== 1 || at === 0) return false;
  decodeMptcp(vector.view, at, vector.optionsEnd[i]!, false, options);
  const isMapping = (options.dss & (DSS_MAPPING | DSS_DATA_FIN)) === DSS_MAPPING && !options.capableMapping;
  return isMapping && options.dataLength === 1;
}
