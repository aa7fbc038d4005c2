import { describe, expect, it } from "vitest";
import { SessionIds } from "../../src/record/session-ids.ts";

const of = (ids: SessionIds, session: number, id: string) => ids.of(session, () => id);

describe("ids of sessions", () => {
  it("stay what they were first, for as long as the session lives", () => {
    const ids = new SessionIds(2);
    expect(of(ids, 7, "aa")).toBe("aa");
    expect(of(ids, 7, "bb")).toBe("aa");
    expect(ids.forget(7)).toBe("aa");
    expect(ids.forget(7)).toBeNull();
    expect(of(ids, 7, "bb")).toBe("bb");
  });

  it("tell sessions apart whose handshake is the same, alive or ended", () => {
    const ids = new SessionIds(2);
    expect(of(ids, 1, "aa")).toBe("aa");
    expect(of(ids, 2, "aa")).toBe("aa-2");
    ids.forget(1);
    ids.forget(2);
    expect(of(ids, 1, "aa")).toBe("aa-3");
  });

  it("are forgotten when enough other sessions have ended since, and no live session has them", () => {
    const ids = new SessionIds(2);
    of(ids, 1, "aa");
    ids.forget(1);
    of(ids, 1, "bb");
    ids.forget(1);
    of(ids, 2, "aa");
    of(ids, 1, "cc");
    ids.forget(1);
    expect(of(ids, 1, "aa"), "one of them lives").toBe("aa-3");
    ids.forget(1);
    ids.forget(2);
    for (const other of ["dd", "ee"]) {
      of(ids, 1, other);
      ids.forget(1);
    }
    expect(of(ids, 1, "aa")).toBe("aa");
  });

  it("take no longer for the thousandth repetition", () => {
    const ids = new SessionIds(100_000);
    for (let session = 0; session < 100_000; session++) of(ids, session, "aa");
    expect(of(ids, 100_000, "aa")).toBe("aa-100001");
  });
});
