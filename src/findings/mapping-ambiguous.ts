import type { SubflowRecord } from "../../schema/session-record.ts";
import { counted } from "../record/count-text.ts";
import type { Rule } from "./finding.ts";

/**
 * Mappings that hosts take in different ways (RFC 8684 §3.3.1): which octets the receiver read, and in what order, may be
 * something else than the stream that is shown. Linux falls back to TCP at the second and the third kind.
 */
export const mappingAmbiguous: Rule = ({ mptcp }) =>
  mptcp.subflows.flatMap((subflow) => {
    const what = ambiguities(subflow);
    if (what.length === 0) return [];
    return {
      kind: "mapping-ambiguous",
      subject: "",
      subflow: subflow.id,
      side: null,
      message: `on subflow ${subflow.id} ${what.join(", and ")}: the receiver may have read another stream than is shown`,
    };
  });

function ambiguities({ contradicting_mappings, misplaced_mappings, unagreed_checksums }: SubflowRecord): string[] {
  const kinds: [count: number | undefined, one: string, many: string][] = [
    [contradicting_mappings, "mapping contradicts an earlier one", "mappings contradict earlier ones"],
    [
      misplaced_mappings,
      "mapping stands on a segment with other octets",
      "mappings stand on segments with other octets",
    ],
    [
      unagreed_checksums,
      "mapping has a checksum that was not agreed on",
      "mappings have checksums that were not agreed on",
    ],
  ];
  return kinds.flatMap(([count = 0, one, many]) => (count === 0 ? [] : counted(count, one, many)));
}
