import { describe, expect, it } from "vitest";
import { Agents } from "../../src/decapsulate/agents.ts";
import { Decapsulation } from "../../src/decapsulate/decapsulate.ts";
import { FlowKeys } from "../../src/subflow/flow-key.ts";
import * as table from "../../src/subflow/subflow-row.ts";
import { SubflowTable } from "../../src/subflow/subflow-table.ts";
import { PacketVector } from "../../src/vector.ts";
import { Conversation } from "../support/conversation.ts";
import { option, SYN } from "../support/packets.ts";

const SEQ = 1_000_000;
const JOIN = { token: 0x01020304, nonce: 0x0a0b0c0d, addressId: 7, backup: true };

/** A vector with one SYN. */
function vectorOf(...options: readonly Uint8Array[]): PacketVector {
  const talk = new Conversation();
  const octets = talk.segment(talk.initial, 0, SYN, options).packets[0]?.octets ?? Buffer.alloc(0);
  const vector = new PacketVector();
  vector.use(Uint8Array.from(octets));
  vector.add(0, octets.length, octets.length, 0, 101, 0);
  const agents = new Agents(null);
  agents.addSource("a");
  new Decapsulation(agents, null).process(vector);
  return vector;
}

const asking = vectorOf(option.joinSyn(JOIN.token, JOIN.nonce, JOIN.addressId, JOIN.backup));

/** Flows, on whose 4-tuples a SYN of the lower endpoint waits for its answer. */
function flowsOf(count: number): SubflowTable {
  const keys = new FlowKeys(1);
  const subflows = new SubflowTable(count, 1, 1, keys);
  for (let n = 0; n < count; n++) {
    const subflow = subflows.allocate(keys, 0, 0);
    subflows.hot[subflow * table.HOT_WORDS + table.STATE] = table.STATE_PENDING;
    subflows.cold[subflow * table.COLD_WORDS + table.PENDING_ISN] = SEQ;
  }
  return subflows;
}

describe("what the SYN of a join says on another flow's 4-tuple", () => {
  it("is kept until that flow is forgotten, or another SYN comes that says nothing of the kind", () => {
    const subflows = flowsOf(2);
    const { askedJoins } = subflows;
    for (const subflow of [0, 1]) askedJoins.take(asking, 0, subflow, 0);
    expect([0, 1, -1].map((subflow) => askedJoins.of(subflow))).toEqual([JOIN, JOIN, undefined]);
    subflows.release(0);
    askedJoins.take(vectorOf(option.capable(1)), 0, 1, 0);
    expect([0, 1].map((subflow) => askedJoins.of(subflow))).toEqual([undefined, undefined]);
    askedJoins.take(asking, 0, 1, 0);
    askedJoins.take(vectorOf(), 0, 1, 0);
    expect(askedJoins.of(1)).toBe(undefined);
  });

  it("is that of a SYN which waits, sent by who sent that", () => {
    const subflows = flowsOf(3);
    const { askedJoins } = subflows;
    askedJoins.take(asking, 0, 0, 1);
    subflows.hot[table.HOT_WORDS + table.STATE] = 0;
    askedJoins.take(asking, 0, 1, 0);
    subflows.cold[2 * table.COLD_WORDS + table.PENDING_ISN] = SEQ + 1;
    askedJoins.take(asking, 0, 2, 0);
    expect([0, 1, 2].map((subflow) => askedJoins.of(subflow))).toEqual([undefined, undefined, undefined]);
  });

  it("is kept of 4,096 SYNs, the newest", () => {
    const { askedJoins } = flowsOf(4098);
    for (let subflow = 0; subflow < 4097; subflow++) askedJoins.take(asking, 0, subflow, 0);
    askedJoins.take(asking, 0, 1, 0);
    askedJoins.take(asking, 0, 4097, 0);
    expect([0, 1, 2, 3, 4096, 4097].map((subflow) => askedJoins.of(subflow) !== undefined)).toEqual([
      false,
      true,
      false,
      true,
      true,
      true,
    ]);
    expect([askedJoins.shed, askedJoins.use]).toEqual([2, { used: 4096, bound: 4096 }]);
  });
});
