import { describe, expect, it } from "vitest";
import { Conversation } from "../support/conversation.ts";
import { ACK, finished, RST } from "../support/packets.ts";
import { run } from "../support/pipeline-run.ts";

type Form = "finished" | "unfinished";

/** How a session ends, and what of it counts as made up, where one side resets it exactly and it goes on with octets. */
function ended(side: 0 | 1, syns: Form, reset: Form, by: "one" | "another" = "one") {
  const talk = new Conversation().open().send(0, "hello").send(1, "good day");
  const begun = talk.packets.length;
  talk.segment(talk.initial, side, RST | ACK);
  const behind = talk.packets.length;
  talk.send(0, " and more");
  const packets = talk.packets.map(({ octets, ...packet }, n) => {
    const form = n < begun ? syns : n < behind ? reset : "finished";
    return {
      ...packet,
      octets: form === "finished" ? finished(octets) : octets,
      source: n >= begun && by === "another" ? 1 : 0,
    };
  });
  const found = [1, 64].map((batch) => {
    const { records } = run(packets, {}, batch);
    const [record] = records;
    const [subflow] = record?.mptcp.subflows ?? [];
    return [record?.mptcp.stream.initiator.octets, subflow?.close.reason, subflow?.implausible_segments ?? 0];
  });
  expect(found[0]).toEqual(found[1]);
  return found[0];
}

describe.each([0, 1] as const)("a RST of side %i exactly where it is expected", (side) => {
  it("ends the subflow where its checksum is right", () => {
    expect(ended(side, "finished", "finished")?.[1]).toBe("reset");
  });

  it("is none where it is not, and that of the SYN was", () => {
    expect(ended(side, "finished", "unfinished")).toEqual([14, "open", 1]);
  });

  it("ends it all the same where copies are taken before checksums are finished, of all or of its agent", () => {
    expect(ended(side, "unfinished", "unfinished")?.[1]).toBe("reset");
    expect(ended(side, "finished", "unfinished", "another")?.[1]).toBe("reset");
  });
});
