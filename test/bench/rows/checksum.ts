import { CHECKSUM, PAYLOAD } from "../captures.ts";
import { rejoinSummary, summaryOf, tcpdumpOf, totalsOf } from "../contestants.ts";
import { provide } from "../files.ts";
import { alternate, medianCpu, versionsOf } from "../measure.ts";
import type { Row, RowResult } from "../result.ts";

/** What verifying may add, in what tcpdump takes. */
const TARGET = 0.3;

/** A capture with a checksum on every mapping, against the same one without. */
export const CHECKSUM_ROW: Row = {
  name: "checksum",
  provide: async () => {
    await provide(PAYLOAD);
    await provide(CHECKSUM);
  },
  run,
};

async function run(): Promise<RowResult> {
  const { path, truth } = await provide(CHECKSUM);
  const plain = await provide(PAYLOAD);
  const [verifying, without, tcpdump] = alternate("checksum", [
    { ...rejoinSummary(path), name: "rejoin read --summary, with checksums" },
    { ...rejoinSummary(plain.path), name: "rejoin read --summary, without" },
    tcpdumpOf(path),
  ]);
  const [took, base, other] = [medianCpu(verifying), medianCpu(without), medianCpu(tcpdump)];
  return {
    row: "checksum",
    about: CHECKSUM.about,
    against: versionsOf("tcpdump"),
    figures: [
      { what: "rejoin read --summary, with checksums", value: took, unit: "s" },
      { what: "rejoin read --summary, without", value: base, unit: "s" },
      { what: "tcpdump -w /dev/null", value: other, unit: "s" },
    ],
    claims: [{ what: "times tcpdump added", value: (took - base) / other, target: TARGET, process: summaryOf(path) }],
    differences: CHECKSUM.differences(totalsOf(verifying?.[0]), truth),
  };
}
