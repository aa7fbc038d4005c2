import { PAYLOAD, PAYLOAD_WORKLOAD } from "../captures.ts";
import { putTogether, tcpdumpOf } from "../contestants.ts";
import { provide } from "../files.ts";
import { alternate, medianCpu, versionsOf } from "../measure.ts";
import type { PutTogether } from "../programs/put-together.ts";
import { runProgram } from "../programs.ts";
import { differencesOf, type Row, type RowResult } from "../result.ts";
import { TrueStreams } from "../streams-of.ts";

const TARGET = 2;

/** Both streams of each session put together in order, against tcpdump. */
export const STREAMS: Row = { name: "streams", provide: async () => void (await provide(PAYLOAD)), run };

async function run(): Promise<RowResult> {
  const { path, truth } = await provide(PAYLOAD);
  const [rejoin, tcpdump] = alternate("streams", [putTogether(path), tcpdumpOf(path)]);
  const [took, other] = [medianCpu(rejoin), medianCpu(tcpdump)];
  // One more run, which nobody measures, hashes what comes out.
  const found = JSON.parse(runProgram("put-together", path, "--hash").output) as PutTogether;
  const digests = new TrueStreams(PAYLOAD_WORKLOAD).digests().sort();
  return {
    row: "streams",
    about: `${PAYLOAD.about}, seed ${PAYLOAD_WORKLOAD.seed}: both streams in order, in chunks of 32 KiB, to a sink that drops them`,
    against: versionsOf("tcpdump"),
    figures: [
      { what: "streams in order", value: took, unit: "s" },
      { what: "tcpdump -w /dev/null", value: other, unit: "s" },
    ],
    claims: [
      {
        ...{ what: "times tcpdump", value: took / other, target: TARGET },
        process: { name: "Streams in order", words: ["put-together", path] },
      },
    ],
    differences: differencesOf([
      ["octets of initiators", truth.octets.initiator, found.octets[0]],
      ["octets of responders", truth.octets.responder, found.octets[1]],
      ["chunks out of place", 0, found.misplaced],
      ["holes", 0, found.holes],
      ["late octets", 0, found.late],
      ["streams of the right octets", digests.length, digests.filter((one, i) => one === found.digests[i]).length],
    ]),
  };
}
