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
  readonly newest: Probe[];
}

const options = new MptcpOptions();

/**
 * Takes packet i, one mapped octet for `offset` of a stream, if it is a probe of a closed window, and says whether it is. Where
 * the window is closed and all is acknowledged, Linux sends the next octet, on each subflow that waits, behind new sequence
 * numbers, in a mapping of its own at the last octet that was acknowledged (`mptcp_sendmsg_frag`, as of 6.18): the
 * receiver drops it and answers with its window. It is another than what was sent there before, and takes nobody in.
 *
 * Of what differs only that is a probe which was acknowledged, and was the last octet sent. On a path where it waits it can
 * come when the stream has gone on: then it must be the octet behind its place, with which a segment began. One that is alike
 * counts as repeated.
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
  const at = seen.dataAt[i]!;
  const subflow = seen.subflow[i]!;
  const isThere = (place: number): boolean | null => {
    const { memory } = sessions;
    memory.compare(session * 2 + side, place, place + 1, vector.block, at - place, subflow);
    return memory.compared === 0 ? null : memory.differing === 0;
  };
  if (isThere(offset) !== false) return false;
  const probe = { offset, octet: vector.block[at]!, subflow, ssn: seen.ssn[i]! };
  const known = sessions.rare.windowProbes.get(session * 2 + side);
  const before = known?.newest.find((one) => one.subflow === subflow && one.ssn === probe.ssn);
  // Sent again by TCP, which sends the same.
  if (before !== undefined) return before.offset === offset && before.octet === probe.octet;
  const half = (session * table.SESSION_WORDS + table.SIDE + side * table.SIDE_WORDS) >> 1;
  const end = offset + 1;
  const isLast = end === acknowledged && end === sessions.table.floats[half + (table.HIGHEST >> 1)]!;
  if (!isLast && (isThere(end) !== true || sessions.memory.pieceAt !== end)) return false;
  if (known === undefined) sessions.rare.windowProbes.set(session * 2 + side, { octets: 1, newest: [probe] });
  else {
    known.octets++;
    known.newest.push(probe);
    if (known.newest.length > MAX_KEPT) known.newest.shift();
  }
  return true;
}

/** Whether the payload of packet i is one octet, which was captured, under a mapping that its own DSS states for it alone. */
function isAlone(vector: PacketVector, seen: events.SubflowEvents, i: number): boolean {
  const at = vector.mptcpAt[i]!;
  if (vector.payloadLength[i] !== 1 || seen.dataCaptured[i] !== 1 || at === 0) return false;
  decodeMptcp(vector.view, at, vector.optionsEnd[i]!, false, options);
  const isMapping = (options.dss & (DSS_MAPPING | DSS_DATA_FIN)) === DSS_MAPPING && !options.capableMapping;
  return isMapping && options.dataLength === 1;
}
