import { describe, expect, it } from "vitest";
import { sessionDetail } from "../../collectors/terminal/session-detail.ts";
import { sessionTable } from "../../collectors/terminal/session-table.ts";
import { PLAIN } from "../../collectors/terminal/style.ts";
import { Conversation } from "../support/conversation.ts";
import { option } from "../support/packets.ts";
import { run } from "../support/pipeline-run.ts";

/** The lines of a session's row and its detail, as they were seen. */
function shown(talk: Conversation): { lost: string | undefined; detail: string } {
  const [record] = run(talk.packets).records;
  if (record === undefined) throw new Error("no session was seen");
  const row = sessionTable(80, PLAIN, { revisions: false }).row(record);
  const lost = row.split("\n").find((line) => line.startsWith("  - "));
  return { lost, detail: sessionDetail(record, PLAIN, null).join("\n") };
}

/** A session of two subflows, of which the second is told of afterwards. */
const twoPaths = () => {
  const talk = new Conversation().open();
  const second = talk.join();
  return { talk: talk.send(0, "a").send(1, "b", { on: second }), second };
};

describe("a path that was lost while its session went on", () => {
  it("died, where it was reset", () => {
    const { talk, second } = twoPaths();
    talk
      .reset(1, second, [option.reset(6)])
      .wait(4)
      .send(0, "c")
      .close();
    const { lost, detail } = shown(talk);
    expect(lost).toBe("  - subflow 1 died 4.0 s before the last packet");
    expect(detail).toMatch(/ {2}subflow 1 joined .*, reset by the responder \(middlebox-interference\), seen by/);
    expect(detail).toMatch(/ back; died 4\.0 s before the last packet$/m);
  });

  it("fell silent, where nobody closed it", () => {
    const { lost, detail } = shown(twoPaths().talk.wait(25).send(0, "c").close());
    expect(lost).toBe("  - subflow 1 fell silent 25.0 s before the last packet");
    expect(detail).toMatch(/ back; fell silent 25\.0 s before the last packet$/m);
  });

  it("fell silent, where the hosts did not close it when they ended the session", () => {
    const { lost } = shown(twoPaths().talk.wait(3).send(0, "c").close());
    expect(lost).toBe("  - subflow 1 fell silent 3.0 s before the last packet");
  });

  it("was not, where a backup is silent while the session lives, as it should be", () => {
    const talk = new Conversation().open();
    talk.join({ backup: true });
    talk.send(0, "a").wait(25).send(0, "b");
    expect(shown(talk).lost).toBeUndefined();
    expect(shown(talk.close()).lost).toBe("  - subflow 1 fell silent 25.0 s before the last packet");
  });

  it("is told with others in one line", () => {
    const { talk, second } = twoPaths();
    const third = talk.join({ ends: [{ ip: "10.1.9.9", port: 50_001 }, second.ends[1]], nonces: [5, 6] });
    talk.reset(0, second).wait(2).send(1, "d", { on: third }).wait(3).send(0, "c").close();
    expect(shown(talk).lost).toBe("  - subflow 1 died 5.0 s, subflow 2 fell silent 3.0 s before the last packet");
  });

  it("was not, where the session ended with it, or it was closed or is quiet for a little while", () => {
    const { talk: reset, second } = twoPaths();
    const { talk: closed, second: other } = twoPaths();
    for (const talk of [
      reset.send(0, "c").reset(1, second).close(),
      closed.fins(other).wait(25).send(0, "c").close(),
      twoPaths().talk.wait(5).send(0, "c"),
    ]) {
      const { lost, detail } = shown(talk);
      expect(lost).toBeUndefined();
      expect(detail).not.toMatch(/died|silent/);
    }
  });
});
