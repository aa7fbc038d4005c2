import type { SessionRecord } from "../../schema/session-record.ts";
import type { RunPacket } from "../support/pipeline-run.ts";
import { type Decoded, observed } from "./observed.ts";
import { type Judged, judged } from "./tshark.ts";

/** Something the two readers tell differently: about what, where, and what each says. */
export interface Disagreement {
  readonly about: string;
  /** Packet number from 1, as tshark counts; 0 where it is about more than a packet. */
  readonly packet: number;
  readonly library: string;
  readonly tshark: string;
}

/** Numbers of what was compared, and what differs. */
export interface Comparison {
  readonly packets: number;
  readonly options: number;
  readonly places: number;
  readonly groups: number;
  readonly tokens: number;
  readonly addresses: number;
  readonly disagreements: Disagreement[];
}

/** Values as numbers where they are any: tshark writes flags and lengths in several bases. */
const plain = (text: string): string =>
  /^(0x)?[0-9a-f]+$/i.test(text) && text.length < 40 && /^(0x|[0-9]+$)/.test(text) ? String(BigInt(text)) : text;
const list = (text: string): string =>
  text
    .split(",")
    .filter((one) => one !== "")
    .map(plain)
    .join();

const COMPARED: readonly (keyof Decoded)[] = [
  "version",
  "senderKey",
  "receiverKey",
  "token",
  "nonce",
  "shortHmac",
  "hmac",
  "backup",
  "dataAck",
  "dsn",
  "ssn",
  "length",
  "fin",
  "resetReason",
];

const endOf = (row: Judged, side: "from" | "to"): string =>
  side === "from" ? `${row.from || row.from6} ${row.fromPort}` : `${row.to || row.to6} ${row.toPort}`;
const flowOf = (row: Judged): string => [endOf(row, "from"), endOf(row, "to")].sort().join(" - ");

const inOrder = (texts: Iterable<string>): string[] => [...new Set(texts)].sort();

/** Flows by session: each session a list of its flows, in one order. */
function groupsOfRecords(records: readonly SessionRecord[]): string[] {
  return records
    .map(({ mptcp }) =>
      inOrder(
        mptcp.subflows.map(({ source, destination }) =>
          [`${source.ip} ${source.port}`, `${destination.ip} ${destination.port}`].sort().join(" - "),
        ),
      ).join(", "),
    )
    .sort();
}

function groupsOfTshark(rows: readonly Judged[]): string[] {
  const groups = new Map<string, Set<string>>();
  for (const row of rows) {
    if (row.stream === "") continue;
    const group = groups.get(row.stream) ?? new Set();
    group.add(flowOf(row));
    groups.set(row.stream, group);
  }
  return [...groups.values()].map((group) => inOrder(group).join(", ")).sort();
}

/** Entries of one list that the other lacks, each way. */
function differing(about: string, library: readonly string[], tshark: readonly string[]): Disagreement[] {
  const less = (a: readonly string[], b: readonly string[]) => {
    const rest = [...b];
    return a.filter((one) => {
      const at = rest.indexOf(one);
      if (at >= 0) rest.splice(at, 1);
      return at < 0;
    });
  };
  return [
    ...less(library, tshark).map((text) => ({ about, packet: 0, library: text, tshark: "" })),
    ...less(tshark, library).map((text) => ({ about, packet: 0, library: "", tshark: text })),
  ];
}

/** Lets both read the same packets, and compares what they say. */
export function compared(packets: readonly RunPacket[]): Comparison {
  const [ours, theirs] = [observed(packets), judged(packets)];
  const disagreements: Disagreement[] = [];
  const differ = (about: string, i: number, library: string, tshark: string) => {
    if (library !== tshark) disagreements.push({ about, packet: i + 1, library, tshark });
  };
  let options = 0;
  for (const [i, row] of theirs.entries()) {
    const own = ours.rows[i] ?? {};
    const subtypes = inOrder(row.subtypes.split(","))
      .sort((a, b) => Number(a) - Number(b))
      .join();
    if (subtypes !== "" || own.subtypes !== undefined) options++;
    differ("subtypes", i, own.subtypes ?? "", subtypes);
    for (const name of COMPARED) differ(name, i, plain(own[name] ?? ""), list(row[name]));
    const place = ours.places.get(i);
    if (place !== undefined) differ("place of payload", i, String(place + 1), list(row.place));
  }
  const groups = groupsOfTshark(theirs);
  disagreements.push(...differing("subflows of a session", groupsOfRecords(ours.records), groups));
  const tokens = inOrder(theirs.map(({ expectedToken }) => expectedToken).filter((text) => text !== ""));
  const told = ours.records.flatMap(({ mptcp }) => Object.values(mptcp.token));
  disagreements.push(
    ...differing("tokens", inOrder(told.flatMap((token) => (token === null ? [] : [String(Number(token))]))), tokens),
  );
  const addresses = inOrder(
    theirs.flatMap(({ subtypes, echo, addressId, ipv4, ipv6, port }) =>
      subtypes === "3" && echo !== "1" ? [[addressId, ipv4 || ipv6, port].join(" ").trim()] : [],
    ),
  );
  const announced = ours.records.flatMap(({ mptcp }) =>
    mptcp.addresses.flatMap(({ address_id, ip, port }) =>
      ip === null ? [] : [`${address_id} ${ip} ${port ?? ""}`.trim()],
    ),
  );
  disagreements.push(...differing("announced addresses", inOrder(announced), addresses));
  return {
    packets: packets.length,
    options,
    places: ours.places.size,
    groups: groups.length,
    tokens: tokens.length,
    addresses: addresses.length,
    disagreements,
  };
}
