import { describe, expect, it } from "vitest";
import { ACKNOWLEDGED } from "../../src/session/acknowledged.ts";
import { RareEntries } from "../../src/session/rare-entries.ts";
import { rangesAt } from "../../src/session/session-table.ts";
import { Sessions } from "../../src/session/sessions.ts";
import { FlowKeys } from "../../src/subflow/flow-key.ts";
import { SubflowTable } from "../../src/subflow/subflow-table.ts";
import { Conversation } from "../support/conversation.ts";
import { ACK, option } from "../support/packets.ts";
import { run } from "../support/pipeline-run.ts";

describe("a session that gets the number of one that has ended", () => {
  it("has nothing of it", () => {
    const before = new Conversation().open().send(0, "data").send(1, "answer").send(0, "DATA", { at: 0 });
    before.segment(before.initial, 0, ACK, [option.prio(true)]);
    before.segment(before.initial, 1, ACK, [option.fail(before.dsn(0, 0))]);
    before.segment(before.initial, 1, ACK, [option.addAddr(1, 3, "10.2.9.9")]);
    before.segment(before.initial, 1, ACK, [Buffer.from([30, 4, 0xe0, 0])]);
    before.close();
    // Lets time pass: of no session.
    const ends = [before.initial.ends[1], { ip: "10.8.8.8", port: 1 }] as const;
    before.wait(30).segment({ ends, opener: 0, isn: [0, 0], next: [1, 1] }, 0, ACK);
    const keys = [Buffer.alloc(8, 1), Buffer.alloc(8, 2)] as const;
    const next = () => new Conversation({ keys, atMicros: before.atMicros + 60_000_000 }).open(["syn", "syn-ack"]);
    const alone = run(next().send(0, "x").packets).records[0];
    const second = run([...before.packets, ...next().send(0, "x").packets], {}, 1).records[1];
    expect(second?.mptcp).toEqual(alone?.mptcp);
    expect(second?.mptcp.stream.initiator).toMatchObject({ acknowledged: null, repeated_octets: 0, conflicts: [] });
    expect(second?.mptcp.options).toBeUndefined();
  });

  it("leaves nothing of a subflow, and the room of its entries", () => {
    const rare = new RareEntries({ thirdAcks: 2, rareEntries: 2 }, 2);
    const room = rare.allotments;
    const wrong = { failed: 1, old_byte_order: 0 };
    const unverifiable = { "key-unknown": 0, truncated: 0, "octets-missing": 0 };
    for (const direction of [2, 3]) {
      room.checksums.take();
      rare.checksums.set(direction, { wrong, unverifiable, unagreed: 0, failures: [{ offset: 0, length: 1 }] });
      rare.verifiedChecksums[direction] = 1;
      rare.fins.set(direction, 1);
    }
    room.options.take();
    rare.resets.set(1, { side: 0, flags: 0, reason: 0 });
    rare.joinRivals.set(1, 1);
    rare.answers.set(1, 1);
    rare.backupAnswers.add(1);
    rare.thirdAcks.keep(1, new Uint8Array(20));
    rare.forgetSubflow(1);
    const { checksums, fins, resets, joinRivals, answers, backupAnswers } = rare;
    const sizes = [checksums, fins, resets, joinRivals, answers, backupAnswers].map(({ size }) => size);
    expect(sizes).toEqual([0, 0, 0, 0, 0, 0]);
    expect([...rare.verifiedChecksums]).toEqual([0, 0, 0, 0]);
    expect(rare.thirdAcks.of(1)).toBeUndefined();
    expect([1, 2, 3].map(() => room.checksums.take())).toEqual([true, true, false]);
    expect([1, 2, 3].map(() => room.options.take())).toEqual([true, true, false]);
  });

  it("leaves no end that its streams were stated to have besides", () => {
    const rare = new RareEntries({ thirdAcks: 2, rareEntries: 2 }, 2);
    for (const stream of [1, 2, 3, 4]) rare.otherEnds.set(stream, 7);
    rare.forgetSession(1);
    expect([...rare.otherEnds.keys()]).toEqual([1, 4]);
  });

  it("leaves nothing that was counted of a subflow alone", () => {
    const keys = new FlowKeys(1);
    const subflows = new SubflowTable(2, 2, 2, keys);
    const subflow = subflows.allocate(keys, 0, 0);
    const { seldom } = subflows;
    seldom.noteUncompared(subflow);
    seldom.noteImplausible(subflow, 2);
    seldom.noteMisplaced(subflow);
    seldom.noteUnplacedRepeat(subflow, 3);
    const counts = [seldom.uncompared, seldom.implausible, seldom.misplaced, seldom.unplacedRepeats];
    expect(counts.map((one) => one.get(subflow))).toEqual([1, 2, 1, 3]);
    subflows.release(subflow);
    expect(counts.map(({ size }) => size)).toEqual([0, 0, 0, 0]);
  });

  it("leaves its place in no list, and its acknowledgments on no line", () => {
    const bounds = { sessions: 2, rememberedOctets: 2 ** 16, streamWindows: 0, thirdAcks: 2, rareEntries: 2 };
    const sessions = new Sessions(bounds, new SubflowTable(2, 2, 2, new FlowKeys(1)), 1, {
      pieces: null,
      chunk: null,
      turns: false,
      digest: false,
    });
    const session = sessions.table.allocate(0);
    const lists = [sessions.young, sessions.empty, sessions.small];
    for (const list of lists) list.add(session);
    sessions.table.floats[rangesAt(session * 2) + ACKNOWLEDGED] = 7;
    sessions.release(session);
    expect(lists.map(({ length }) => length)).toEqual([0, 0, 0]);
    expect(sessions.table.floats[rangesAt(session * 2) + ACKNOWLEDGED]).toBe(0);
  });
});
