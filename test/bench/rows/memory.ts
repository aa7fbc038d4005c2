import { feed, liveWorkload, takenApart } from "../live/feeding.ts";
import type { LiveResult } from "../live/workload.ts";
import { median, ROUNDS } from "../measure.ts";
import { PROFILING } from "../profile.ts";
import { numberText, type Row, type RowResult, type Why } from "../result.ts";

const MOST_OCTETS = 640;
const LONGEST_PAUSE_MS = 20;
const WORKLOAD = liveWorkload({ sessionsBefore: 12_500, sessions: 62_500, firstRounds: 8 });
const SESSIONS = WORKLOAD.sessions - WORKLOAD.sessionsBefore;
const UNIT = "octets per session";

/** What tables are, by the end of the fields' names that lead to them. */
const TABLES: readonly (readonly [string, string])[] = [
  ["table.words", "sessions, six cache lines each"],
  ["subflows.hot", "subflows, the two lines that packets touch"],
  ["subflows.cold", "subflows, the two lines of handshake and record"],
  ["cuts.near", "ranges that copies were cut from, a line for each stream"],
  ["subflows.index.slots", "index of flows, which doubles"],
  ["tokens.index.slots", "index of tokens, which doubles"],
  ["members.previous", "each session's list of subflows"],
  ["subflows.sums", "checksums of mappings under way"],
];

/** What a live session takes, and how long the garbage collector stops the process. */
export const MEMORY: Row = { name: "memory", run };

async function run(): Promise<RowResult> {
  const results: LiveResult[] = [];
  for (let round = 0; round < ROUNDS; round++) results.push(await feed("memory", WORKLOAD));
  const perSession = (of: (result: LiveResult) => number) => median(results.map(of)) / SESSIONS;
  // No profile says why: memory is not time.
  const apart = PROFILING ? await takenApart("memory", WORKLOAD) : undefined;
  const [octets, pauses] = apart === undefined ? [] : [whereOctetsGo(apart), wherePausesCome(apart)];
  return {
    row: "memory",
    about:
      "62,500 live sessions of 2.5 subflows that have sent 20 packets each, cut to 126 octets, so that no octet is held: " +
      `what the process grew by after the first 12,500, median of ${ROUNDS} runs; seed 3`,
    against: [],
    figures: [
      { what: "V8's heap", value: perSession(({ heapGrowth }) => heapGrowth), unit: UNIT },
      { what: "arrays that grow", value: perSession(({ arrayGrowth }) => arrayGrowth), unit: UNIT },
      {
        what: "tables, whose memory is taken as they fill, and the rest",
        value: perSession(({ residentGrowth, heapGrowth, arrayGrowth }) => residentGrowth - heapGrowth - arrayGrowth),
        unit: UNIT,
      },
    ],
    claims: [
      {
        what: "octets of the process per live session",
        value: perSession(({ residentGrowth }) => residentGrowth),
        target: MOST_OCTETS,
        ...(octets === undefined ? {} : { why: octets }),
      },
      {
        what: "ms of the garbage collector's longest pause",
        value: median(results.map(({ longestPauseMs }) => longestPauseMs)),
        target: LONGEST_PAUSE_MS,
        ...(pauses === undefined ? {} : { why: pauses }),
      },
    ],
    differences: results.flatMap(({ differences }) => differences),
  };
}

function whereOctetsGo({ residentGrowth, heapRoomGrowth, heapGrowth, tableGrowth }: LiveResult): Why {
  const tables = Object.entries(tableGrowth).toSorted(([, a], [, b]) => b - a);
  const parts: [string, number][] = [
    ...tables
      .filter(([, octets]) => octets >= SESSIONS)
      .map(([name, octets]): [string, number] => [called(name), octets]),
    ["V8's heap", heapGrowth],
    ["of V8's heap what it has and does not use", heapRoomGrowth - heapGrowth],
  ];
  const rest = parts.reduce((left, [, octets]) => left - octets, residentGrowth);
  return {
    title: "Where the octets go",
    about:
      `One more run grew by ${numberText(residentGrowth / SESSIONS)} octets per session. Of tables it is the pages that are ` +
      "not all zero; names are the fields of the pipeline that lead to them",
    parts: [...parts, ["all else", rest] as const].map(([what, octets]) => ({
      what,
      value: octets / SESSIONS,
      unit: UNIT,
    })),
  };
}

function called(name: string): string {
  const [, caption] = TABLES.find(([end]) => name.endsWith(end)) ?? [];
  return caption === undefined ? `\`${name}\`` : `${caption} (\`${name}\`)`;
}

function wherePausesCome({ pauses }: LiveResult): Why {
  return {
    title: "Where the pauses come from",
    about: "Collections of one more run by their kind, wall time",
    parts: Object.entries(pauses).flatMap(([kind, { count, allMs, longestMs }]) => [
      { what: `${kind}, ${count} times`, value: allMs, unit: "ms in all" },
      { what: `the longest ${kind}`, value: longestMs, unit: "ms" },
    ]),
  };
}
