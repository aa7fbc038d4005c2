import { describe, expect, it } from "vitest";
import { FAR_INSIDE } from "../../src/subflow/current-mapping.ts";
import { FlowKeys } from "../../src/subflow/flow-key.ts";
import { MappingSums } from "../../src/subflow/mapping-sums.ts";
import { steadyFollower } from "../../src/subflow/steady-path.ts";
import { DATA, DSN_64, SubflowEvents } from "../../src/subflow/subflow-events.ts";
import * as table from "../../src/subflow/subflow-row.ts";
import { SubflowTable } from "../../src/subflow/subflow-table.ts";
import { vectorOf } from "../encapsulate/packets.ts";

/** A plain segment so many octets inside an infinite mapping: whether the short way takes it, and its DSN. */
function followed(inside: number) {
  const vector = vectorOf([
    {
      ...{ family: 4, source: [10, 0, 0, 1], destination: [10, 0, 0, 2], sourcePort: 1, destinationPort: 2 },
      ...{ flags: 0x10, seq: 1, option: false, atMicros: 0 },
    },
  ]);
  vector.payloadLength[0] = 100;
  vector.seq[0] = (1 + inside) >>> 0;
  vector.mptcpAt[0] = 0;
  const keys = new FlowKeys(1);
  keys.read(vector, 0, 1);
  const subflows = new SubflowTable(1, 1, 1, keys);
  const subflow = subflows.allocate(keys, 0, 0);
  const { hot } = subflows;
  const at = table.direction(subflow, keys.fromHigher[0] ?? 0);
  hot[at + table.NEXT_SSN] = 1 + inside;
  hot[at + table.MAPPING_SSN] = 1;
  hot[at + table.MAPPING_LENGTH] = table.INFINITE;
  hot[at + table.MAPPING_DSN_HI] = 7;
  hot[at + table.MAPPING_DSN_LO] = 0xffff_ff00;
  const agent = ((vector.agent[0] ?? 0) + 1) << table.STATE_AGENT_SHIFT;
  hot[subflow * table.HOT_WORDS + table.STATE] = (3 * table.STATE_ISN) | (3 * table.STATE_DSN_64) | agent;
  const out = new SubflowEvents();
  out.subflow[0] = subflow;
  out.fromHigher[0] = keys.fromHigher[0] ?? 0;
  return { next: steadyFollower(vector, out, subflows, new MappingSums(subflows))(0, 1), out };
}

describe("the short way of a subflow", () => {
  it("gives octets of an infinite mapping their place, over the wrap of a DSN's low half", () => {
    const { next, out } = followed(0x200);
    expect([next, out.kind[0], out.dsnForm[0], out.dsnHi[0], out.dsnLo[0]]).toEqual([1, DATA, DSN_64, 8, 0x100]);
  });

  it("leaves what lies so far inside that its beginning must move up to the general one", () => {
    expect(followed(FAR_INSIDE).next).toBe(1);
    expect(followed(FAR_INSIDE + 1).next).toBe(0);
  });
});
