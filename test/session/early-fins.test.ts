import { describe, expect, it } from "vitest";
import { takeOctets } from "../../src/session/data.ts";
import { Placement } from "../../src/session/placement.ts";
import { Sessions } from "../../src/session/sessions.ts";
import { noteEnd } from "../../src/session/stream-end.ts";
import { FlowKeys } from "../../src/subflow/flow-key.ts";
import { CLOSED, SubflowEvents } from "../../src/subflow/subflow-events.ts";
import { SubflowTable } from "../../src/subflow/subflow-table.ts";
import { PacketVector } from "../../src/vector.ts";

describe("the place of a FIN on its subflow", () => {
  it.each([
    ["is kept while its stream has no end", null, 1],
    ["is not kept after a DATA_FIN", 10, 0],
  ])("%s", (_, end, kept) => {
    const keys = new FlowKeys(1);
    const subflows = new SubflowTable(1, 1, 1, keys);
    const bounds = { sessions: 1, rememberedOctets: 2 ** 16, streamWindows: 0, thirdAcks: 1, rareEntries: 1 };
    const sessions = new Sessions(bounds, subflows, 1, { pieces: null, chunk: null, turns: false, digest: false });
    const session = sessions.table.allocate(0);
    if (end !== null) noteEnd(sessions, session, 1, end);
    const seen = new SubflowEvents();
    seen.kind[0] = CLOSED;
    seen.subflow[0] = subflows.allocate(keys, 0, 0);
    takeOctets(new Placement(sessions), session, 1, new PacketVector(), seen, 0);
    expect(sessions.rare.fins.size).toBe(kept);
  });
});
