import { describe, expect, it } from "vitest";
import { addOctets } from "../../src/subflow/subflow-row.ts";
import { Conversation } from "../support/conversation.ts";
import { run } from "../support/pipeline-run.ts";

describe("octets that were not placed", () => {
  it.each([0, 1] as const)("of an orphan join, sent by side %i, are told by the session that takes it in", (side) => {
    const talk = new Conversation().open().send(0, "hello").send(1, "x");
    const handshake = talk.packets.splice(0);
    const join = talk.join();
    talk.send(side, "Z".repeat(700), { on: join });
    const waiting = talk.packets.splice(0);
    talk.wait(11);
    const others = [0, 1, 2, 3].flatMap(() => {
      const ends = [
        { ip: "10.7.0.1", port: 1 },
        { ip: "10.7.0.2", port: 2 },
      ] as const;
      talk.wait(0.2);
      return new Conversation({ atMicros: talk.atMicros, ends }).open(["syn"]).packets;
    });
    const late = handshake.map((packet, n) => ({ ...packet, atMicros: talk.atMicros + 1000 + n }));
    talk.wait(2).send(0, "end").close(talk.initial, join);
    const { records } = run([...waiting, ...others, ...late, ...talk.packets], { partial: false }, 1);
    expect(records).toHaveLength(1);
    expect(records[0]?.rejoin?.shed).toEqual({ octets: 700 });
  });

  it("are counted up to 4 GiB and do not begin anew", () => {
    const words = new Uint32Array(2);
    addOctets(words, 1, 0xfffffff0);
    addOctets(words, 1, 15);
    expect([...words]).toEqual([0, 0xffffffff]);
    addOctets(words, 1, 0x100000000);
    expect([...words]).toEqual([0, 0xffffffff]);
  });
});
