import { describe, expect, it } from "vitest";
import { BEGIN, Conversation } from "../support/conversation.ts";
import { ACK, option } from "../support/packets.ts";
import type { RunPacket } from "../support/pipeline-run.ts";
import { retell, tell } from "./retold.ts";

const SECOND = 1_000_000;
/** Of the first session. */
const CLIENT = "10.1.0.1:40000";

const SECOND_SESSION = { keys: [Buffer.alloc(8, 3), Buffer.alloc(8, 4)], isn: [9_000_000, 8_000_000] } as const;

/** Another session that begins so many seconds after the first: what is told before it was told by then. */
function clock(seconds: number): RunPacket[] {
  const number = Math.round(seconds * 10);
  const ends = [
    { ip: "10.9.0.1", port: 1000 + number },
    { ip: "10.9.0.2", port: 443 },
  ] as const;
  const keys = [Buffer.alloc(8, `c${number}`), Buffer.alloc(8, `s${number}`)] as const;
  return new Conversation({ ends, keys, atMicros: BEGIN + seconds * SECOND }).open().packets;
}

/** One of several sessions at a time, with ends and keys of its own. */
function numbered(n: number, atMicros = BEGIN): Conversation {
  const ends = [
    { ip: "10.1.0.1", port: 40_000 + n },
    { ip: "10.2.0.2", port: 443 },
  ] as const;
  const keys = [Buffer.alloc(8, `c${n}`), Buffer.alloc(8, `s${n}`)] as const;
  return new Conversation({ ends, keys, atMicros });
}

/**
 * What both sides of the first session said, `>` the initiator, with `| 3.5 s` where others were established, with whose SYN the time
 * came; packet by packet.
 */
function told(packets: readonly RunPacket[], ...clocks: readonly number[]): string[] {
  const all = [...packets, ...clocks.flatMap(clock)].sort((a, b) => a.atMicros - b.atMicros);
  return retell(all, {}, 1).flatMap(({ from, flags, payload }) => {
    if (from.startsWith("10.9.0.1") && flags === "S") return [`| ${(Number(from.split(":")[1]) - 1000) / 10} s`];
    return payload.length > 0 ? [`${from === CLIENT ? ">" : "<"} ${payload}`] : [];
  });
}

describe("an answer", () => {
  it("waits for what it answers", () => {
    const talk = new Conversation().open();
    const joined = talk.join();
    talk.send(0, "ask").send(1, "answer", { on: joined });
    const [ask, answer] = talk.packets.splice(-2) as [RunPacket, RunPacket];
    const late = { ...ask, atMicros: answer.atMicros + 1.5 * SECOND };
    expect(told([...talk.packets, answer, late])).toEqual(["> ask", "< answer"]);
  });

  it("stands where it was given among what the other side said without waiting for it", () => {
    const talk = new Conversation().open();
    const joined = talk.join();
    talk.send(0, "one ").send(0, "two ").send(1, "answer to one", { on: joined, ack: 4 });
    const [one, two, answer] = talk.packets.splice(-3) as [RunPacket, RunPacket, RunPacket];
    const late = (packet: RunPacket): RunPacket => ({ ...packet, atMicros: packet.atMicros + SECOND });
    expect(told([...talk.packets, answer, late(one), late(two)])).toEqual(["> one ", "< answer to one", "> two "]);
  });

  it("that acknowledges the end, too, waits for no more than the octets", () => {
    const talk = new Conversation().open();
    talk.send(0, "ask", { fin: true }).send(1, "answer", { ack: 4 });
    expect(told(talk.packets, 1.2, 1.4)).toEqual(["> ask", "< answer", "| 1.2 s", "| 1.4 s"]);
  });

  it("waits for nothing where octets were held until a fallback showed where they belong, whatever was acknowledged since", () => {
    // The acknowledgment number of a packet that has none, 0, would lie ahead.
    const talk = new Conversation({ isn: [1_000_000, 4_000_000_000] }).open().send(0, "one ").send(1, "uno ");
    const infinite = { ack: talk.dsn(1, 4), dsn: talk.dsn(0, 4), ssn: 5, length: 0 };
    talk.segment(talk.initial, 0, ACK, [option.dss(infinite)], Buffer.from("two "));
    talk.segment(talk.initial, 0, ACK, [], Buffer.from("ask"));
    talk.segment(talk.initial, 1, ACK, [], Buffer.from("answer")).segment(talk.initial, 0, ACK);
    const [two, ask, answer, thanks] = talk.packets.splice(-4) as [RunPacket, RunPacket, RunPacket, RunPacket];
    const copies = [...talk.packets, ask, two, thanks, answer];
    const said = retell(copies, {}, copies.length - 1).filter(({ payload }) => payload.length > 0);
    expect(said.map(({ payload }) => `${payload}`).join("")).toBe("one uno two askanswer");
  });

  it("goes after two seconds, and what was said before it and never seen is missing from then on", () => {
    const talk = new Conversation().open();
    talk.send(0, "missed").send(1, "answer").send(0, "thanks");
    talk.packets.splice(-3, 1);
    expect(told(talk.packets, 1.5, 2.2)).toEqual(["| 1.5 s", "< answer", "> thanks", "| 2.2 s"]);
  });

  it("waits once for what nobody saw", () => {
    const talk = new Conversation().open();
    talk.send(0, "missed").send(1, "answer, ");
    talk.packets.splice(-2, 1);
    talk.atMicros += 4 * SECOND;
    talk.send(1, "and more");
    expect(told(talk.packets, 1.5, 2.2, 5.2, 5.9)).toEqual([
      "| 1.5 s",
      "< answer, ",
      "| 2.2 s",
      "< and more",
      "| 5.2 s",
      "| 5.9 s",
    ]);
  });

  it("waits again for what was said after that", () => {
    const talk = new Conversation().open();
    const joined = talk.join();
    talk.send(0, "missed").send(1, "answer");
    talk.packets.splice(-2, 1);
    talk.atMicros += 4 * SECOND;
    talk.send(0, "ask").send(1, "another", { on: joined });
    const [ask, answer] = talk.packets.splice(-2) as [RunPacket, RunPacket];
    const late = { ...ask, atMicros: answer.atMicros + SECOND };
    expect(told([...talk.packets, answer, late], 2.5, 5.9, 6.5)).toEqual([
      "< answer",
      "| 2.5 s",
      "| 5.9 s",
      "> ask",
      "< another",
      "| 6.5 s",
    ]);
  });

  it("waits for nothing that an earlier session in its place had said", () => {
    const first = new Conversation().open().send(0, "ask").send(1, "answer").close();
    const second = new Conversation({ ...SECOND_SESSION, atMicros: BEGIN + 10 * SECOND }).open().send(1, "welcome");
    expect(told([...first.packets, ...second.packets], 5, 11.2, 11.4)).toEqual([
      ...["> ask", "< answer", "| 5 s"],
      ...["< welcome", "| 11.2 s", "| 11.4 s"],
    ]);
  });

  it("waits for what an earlier session in its place had missed", () => {
    const first = new Conversation().open().send(0, "missed").send(1, "answer");
    first.packets.splice(-2, 1);
    first.atMicros += 3 * SECOND;
    first.close();
    // What ended with octets missing is looked for a minute longer.
    const second = new Conversation({ ...SECOND_SESSION, atMicros: BEGIN + 100 * SECOND }).open();
    const joined = second.join();
    second.send(0, "ask").send(1, "welcome", { on: joined });
    const [ask, welcome] = second.packets.splice(-2) as [RunPacket, RunPacket];
    const late = { ...ask, atMicros: welcome.atMicros + SECOND };
    expect(told([...first.packets, ...second.packets, welcome, late], 90)).toEqual([
      ...["< answer", "| 90 s"],
      ...["> ask", "< welcome"],
    ]);
  });

  it("goes two seconds after a clock was set back", () => {
    const talk = new Conversation({ atMicros: BEGIN + 100 * SECOND }).open();
    talk.send(0, "missed").send(1, "answer");
    talk.packets.splice(-2, 1);
    const later = [101.5, 50, 50.5, 52.2, 53].flatMap(clock);
    const lines = retell([...talk.packets, ...later], {}, 1).map(({ from, payload }) => `${from} ${payload}`);
    const at = (text: string): number => lines.findIndex((line) => line.includes(text));
    expect(at("answer")).toBeGreaterThan(at("10.9.0.1:1505"));
    expect(at("answer")).toBeLessThan(at("10.9.0.1:1530"));
  });

  it("goes two seconds after that however many others wait, too", () => {
    const talks = Array.from({ length: 5 }, (_, n) => {
      const talk = numbered(n, BEGIN + 100 * SECOND).open();
      talk.send(0, "missed").send(1, "answer");
      talk.packets.splice(-2, 1);
      return talk.packets;
    });
    const later = [101.5, 50, 50.5, 52.2, 53].flatMap(clock);
    const lines = retell([...talks.flat(), ...later], {}, 1).map(({ from, payload }) => `${from} ${payload}`);
    const before = lines.slice(
      0,
      lines.findIndex((line) => line.includes("10.9.0.1:1530")),
    );
    expect(before.filter((line) => line.includes("answer"))).toHaveLength(5);
  });

  it("waits with 16 MiB of others, 512 octets for each run included, of which that goes which waits longest", () => {
    const sessions = Array.from({ length: 8 }, (_, n) => {
      const talk = numbered(n).open().send(0, "missed");
      talk.packets.pop();
      for (let part = 0; part < 64; part++) talk.send(1, Buffer.alloc(32_768, n));
      return talk.packets;
    });
    // All of it in less than a second.
    const packets = sessions.flat().map((packet, n) => ({ ...packet, atMicros: BEGIN + n * 100 }));
    const octets = new Map<number, number>();
    for (const { from, payload } of retell([...packets, ...clock(1.5)], {}, 1)) {
      if (from.startsWith("10.9.")) break;
      const [, port] = from.split(":");
      if (port === "443" && payload.length > 0)
        octets.set(payload[0] ?? -1, (octets.get(payload[0] ?? -1) ?? 0) + payload.length);
    }
    expect(octets).toEqual(new Map([[0, 64 * 32_768]]));
  });

  it("waits with no more of them in the midst of a vector either", () => {
    const talks = Array.from({ length: 8 }, (_, n) => numbered(n).open());
    const missed = talks.map((talk) => talk.send(0, "missed").packets.pop() as RunPacket);
    const packets = talks.flatMap((talk) => talk.packets);
    for (const talk of talks) {
      talk.packets.length = 0;
      for (let part = 0; part < 64; part++) talk.send(1, Buffer.alloc(32_768, "a"));
      packets.push(...talk.packets);
    }
    // The bound was met a few packets before these two, of which the second one has the first told.
    const [first] = talks;
    packets.push(...missed.slice(0, 1), ...(first?.send(1, "more").packets.slice(-1) ?? []));
    const inTime = packets.map((packet, n) => ({ ...packet, atMicros: BEGIN + n * 100 }));
    const { told: all, early } = tell(inTime, {}, 64);
    const said = all.filter(({ payload }) => payload.length > 0);
    expect(said.slice(0, 1).map(({ from }) => from)).toEqual(["10.2.0.2:443"]);
    // Those of the first session.
    expect(early).toBe(64);
  });
});
