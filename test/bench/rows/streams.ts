import { PAYLOAD, PAYLOAD_WORKLOAD } from "../captures.ts";
import { type Contest, contestRow } from "../contest.ts";
import { putTogether, tcpdumpOf } from "../contestants.ts";
import { provide } from "../files.ts";
import { medianCpu, versionsOf } from "../measure.ts";
import type { PutTogether } from "../programs/put-together.ts";
import { differencesOf } from "../result.ts";

const TARGET = 2;

/** Both streams of each session put together in order, against tcpdump. */
export const STREAMS = contestRow("streams", PAYLOAD.name, open);

async function open(): Promise<Contest> {
  const { path, truth } = await provide(PAYLOAD);
  const [rejoin, tcpdump] = [putTogether(path), tcpdumpOf(path)];
  return {
    contestants: [tcpdump, rejoin],
    tell: (runsOf) => {
      const [took, other] = [medianCpu(runsOf(rejoin)), medianCpu(runsOf(tcpdump))];
      const found = JSON.parse(runsOf(rejoin)[0]?.output ?? "") as PutTogether;
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
        ]),
      };
    },
  };
}
