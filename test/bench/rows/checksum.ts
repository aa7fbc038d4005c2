import { CHECKSUM, PAYLOAD } from "../captures.ts";
import { type Contest, contestRow } from "../contest.ts";
import { rejoinSummary, summaryOf, tcpdumpOf, totalsOf } from "../contestants.ts";
import { provide } from "../files.ts";
import { medianCpu, versionsOf } from "../measure.ts";

/** What verifying may add, in what tcpdump takes. */
const TARGET = 0.3;

/** A capture with a checksum on every mapping, against the same one without. */
export const CHECKSUM_ROW = contestRow("checksum", PAYLOAD.name, open);

async function open(): Promise<Contest> {
  const { path, truth } = await provide(CHECKSUM);
  const plain = await provide(PAYLOAD);
  const verifying = { ...rejoinSummary(path), name: "rejoin read --summary, with checksums" };
  const [without, tcpdump] = [rejoinSummary(plain.path), tcpdumpOf(plain.path)];
  return {
    contestants: [without, tcpdump, verifying],
    tell: (runsOf) => {
      const [took, base, other] = [
        medianCpu(runsOf(verifying)),
        medianCpu(runsOf(without)),
        medianCpu(runsOf(tcpdump)),
      ];
      return {
        row: "checksum",
        about: CHECKSUM.about,
        against: versionsOf("tcpdump"),
        figures: [
          { what: "rejoin read --summary, with checksums", value: took, unit: "s" },
          { what: "rejoin read --summary, without", value: base, unit: "s" },
          { what: "tcpdump -w /dev/null", value: other, unit: "s" },
        ],
        claims: [
          { what: "times tcpdump added", value: (took - base) / other, target: TARGET, process: summaryOf(path) },
        ],
        differences: CHECKSUM.differences(totalsOf(runsOf(verifying)[0]), truth),
      };
    },
  };
}
