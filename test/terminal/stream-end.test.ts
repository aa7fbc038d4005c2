import { describe, expect, it } from "vitest";
import { sessionDetail } from "../../collectors/terminal/session-detail.ts";
import { sessionTable } from "../../collectors/terminal/session-table.ts";
import { PLAIN } from "../../collectors/terminal/style.ts";
import { Conversation } from "../support/conversation.ts";
import type { StatedPacket } from "../support/pcapng.ts";
import { run } from "../support/pipeline-run.ts";

/** How the end is told in full, and in the columns WHOLE and END of the row. */
function told(packets: readonly StatedPacket[]): { detail: string[]; row: string | undefined } {
  const [record] = run(packets).records;
  if (record === undefined) throw new Error("no session was seen");
  const row = sessionTable(120, PLAIN, { revisions: false }).row(record).split("\n")[0] ?? "";
  const detail = sessionDetail(record, PLAIN, null).filter((line) => /^ {2}(ended|initiator sent)/.test(line));
  return { detail, row: /.* B +(.+?) +- +(.+)$/.exec(row)?.slice(1).join(", ") };
}

/** Packets by their place: 0 to 2 the handshake, 3 and 4 the initiator's octets, 5 and 6 the DATA_FINs, then FINs. */
const talk = () => new Conversation().open().send(0, "abc").send(0, "TAIL").close().packets;

describe("the end of a stream is told as that of its session", () => {
  it("seen, and all before it", () => {
    expect(told(talk())).toEqual({
      detail: ["  ended by fin of both sides (closed by its hosts)", "  initiator sent 7 octets, complete"],
      row: "yes, fin",
    });
  });

  it("stated by a DATA_FIN and not confirmed: what came last was not seen, and nobody acknowledged the DATA_FIN", () => {
    expect(told(talk().filter((_, n) => n !== 4))).toEqual({
      detail: [
        "  ended by fin of both sides (closed by its hosts)",
        "  initiator sent 3 octets, its end was stated and not confirmed, 4 octets acknowledged of which no copy came",
      ],
      row: "end ?, fin",
    });
  });

  it("stated by one side alone", () => {
    const { packets } = new Conversation().open().send(0, "abc").send(0, "TAIL").dataFin(0).fins();
    const { detail, row } = told(packets.filter((_, n) => n !== 4));
    expect(detail[0]).toMatch(/^ {2}ended by fin of the initiator /);
    expect(detail[1]).toMatch(/ 3 octets, its end was stated and not confirmed,/);
    expect(row).toBe("no end, fin");
  });

  it("not seen", () => {
    expect(told(talk().slice(0, 5))).toEqual({
      detail: [
        "  ended by end-of-input (the input ended while the session was open)",
        "  initiator sent 7 octets, its end was not seen",
      ],
      row: "no end, end-of-input",
    });
  });

  it("seen, and not where it began", () => {
    const { detail, row } = told(talk().slice(3));
    expect(detail[0]).toBe("  ended by fin of both sides (closed by its hosts)");
    expect(detail[1]).toMatch(/^ {2}initiator sent 7 octets, its beginning was not seen/);
    expect(row).toBe("part, fin");
  });

  it("seen, though copies were cut", () => {
    const cut = talk().map((packet, n) => (n === 4 ? { ...packet, octets: packet.octets.subarray(0, -2) } : packet));
    expect(told(cut).row).toBe("cut, fin");
    expect(told(cut.filter((_, n) => n !== 3)).row).toBe("holes, fin");
  });
});
