import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { SessionRecord } from "../../../schema/session-record.ts";
import { PAYLOAD, PAYLOAD_WORKLOAD } from "../captures.ts";
import { type Contest, contestRow } from "../contest.ts";
import { putTogether } from "../contestants.ts";
import { FOLDER, provide } from "../files.ts";
import { type Contestant, measure, measureNode, medianCpu, REJOIN, versionsOf } from "../measure.ts";
import { differencesOf } from "../result.ts";
import { TrueStreams } from "../streams-of.ts";

/** What hashing may cost, in what openssl takes for the same octets. */
const OPENSSL_TIMES = 1.2;

/** The digests of both streams of each session as records, against putting the streams together and hashing them alone. */
export const DIGEST = contestRow("digest", PAYLOAD.name, open);

async function open(): Promise<Contest> {
  const { path } = await provide(PAYLOAD);
  const streams = new TrueStreams(PAYLOAD_WORKLOAD);
  const files = streamFiles(streams);
  const rejoin: Contestant = {
    name: "rejoin read --digest --json",
    run: () => measureNode([REJOIN, "read", "--digest", "--json", path]),
  };
  const inOrder = putTogether(path);
  const openssl: Contestant = {
    name: "openssl dgst -sha256",
    needs: "openssl",
    run: () => measure("openssl", ["dgst", "-sha256", "-r", ...files]),
  };
  return {
    contestants: [inOrder, rejoin, openssl],
    tell: (runsOf) => {
      const [took, without, hashing] = [
        medianCpu(runsOf(rejoin)),
        medianCpu(runsOf(inOrder)),
        medianCpu(runsOf(openssl)),
      ];
      const right = runsOf(openssl)[0]?.output.match(/^[0-9a-f]{64}/gm) ?? streams.digests();
      const told = digestsOf(runsOf(rejoin)[0]?.output ?? "");
      return {
        row: "digest",
        about: `${PAYLOAD.about}, seed ${PAYLOAD_WORKLOAD.seed}: SHA-256 of both streams in records; openssl hashes the same octets`,
        against: versionsOf("openssl"),
        figures: [
          { what: "rejoin read --digest --json", value: took, unit: "s" },
          { what: "streams in order", value: without, unit: "s" },
          { what: "openssl dgst -sha256", value: hashing, unit: "s" },
        ],
        claims: [
          {
            what: "times openssl, besides the time of streams",
            ...{ value: (took - without) / hashing, target: OPENSSL_TIMES },
            process: { name: "`rejoin read --digest --json`", words: ["read --digest", path] },
          },
        ],
        differences: differencesOf([
          ["streams hashed", 2 * PAYLOAD_WORKLOAD.sessions, told.length],
          ["digests that are openssl's", right.length, right.filter((one, i) => one === told[i]).length],
        ]),
      };
    },
  };
}

/** A file for each stream, session by session; streams that are alike share one. */
function streamFiles(streams: TrueStreams): string[] {
  const folder = join(FOLDER, "payload-streams");
  mkdirSync(folder, { recursive: true });
  return streams.each((session, side) => {
    const path = join(folder, `${session}-${side}`);
    writeFileSync(path, streams.octets(session, side));
    return path;
  });
}

/** The digests in records, in the order of the generator's sessions, whose number lies in the initiator's address. */
function digestsOf(records: string): (string | null | undefined)[] {
  const digests: (string | null | undefined)[] = [];
  for (const line of records.trimEnd().split("\n")) {
    const { source, mptcp } = JSON.parse(line) as SessionRecord;
    const [, high = 0, middle = 0, low = 0] = source.ip.split(".").map(Number);
    const session = ((high & 0x0f) << 16) | (middle << 8) | low;
    digests[2 * session] = mptcp.stream.initiator.sha256;
    digests[2 * session + 1] = mptcp.stream.responder.sha256;
  }
  return digests;
}
