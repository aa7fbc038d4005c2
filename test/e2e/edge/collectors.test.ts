import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { SessionRecord } from "../../../schema/session-record.ts";
import { stop } from "../../lab/network.ts";
import { connectionsClosed } from "../../lab/quiet.ts";
import { ADDRESSES, joinFromSecondAddress, ROUTERS } from "../../lab/two-paths.ts";
import { observe } from "../../scenario/observed.ts";
import { titled } from "../../support/requirements.ts";
import { COLLECTOR, Edge, missing, SECOND } from "./edge.ts";

/** Of so many sessions all go one of two ways, or are chosen alike, once in 500,000 runs. */
const CONNECTIONS = 20;

let edge: Edge;
beforeAll(() => {
  if (missing === undefined) edge = new Edge();
});
afterAll(() => edge?.close());
afterEach(() => edge?.endAll());

describe.skipIf(missing)(titled("agents on routers and their collectors", missing), { timeout: 120_000 }, () => {
  test("shares sessions out among collectors, both agents alike; while one is not there, the other has all", async () => {
    const to = [COLLECTOR, SECOND];
    const listener = await edge.listener(...to);
    const agents = () => Promise.all(ROUTERS.map((router, n) => edge.agent(router, { collectors: to, key: n + 1 })));
    const copies = await Promise.all(
      to.map((address) => edge.watch("collector", "any", `udp and dst host ${address}`)),
    );
    const both = await agents();
    const truth = await edge.carry({ connections: CONNECTIONS, fromClient: 30_000, fromServer: 30_000 });
    await connectionsClosed(edge.network);
    for (const program of both) await edge.ended(program);
    for (const copy of copies) await copy.finish();
    const whole = await Promise.all(
      copies.map(async ({ file }) =>
        (await observe([file])).records.filter(
          ({ event, mptcp }) => event.action === "session-ended" && mptcp.stream.responder.octets > 0,
        ),
      ),
    );
    for (const record of whole.flat()) {
      expect(record.mptcp.stream.initiator).toMatchObject({ missing_octets: 0 });
      expect(record.mptcp.subflows.map(({ kind }) => kind)).toEqual(["initial", "joined"]);
    }
    expect(
      whole
        .flat()
        .map(({ mptcp }) => mptcp.token.initiator)
        .sort(),
    ).toEqual(truth.client.map(({ token }) => token).sort());
    for (const records of whole) expect(records.length).toBeGreaterThan(0);

    // Nobody listens at the second any more: once copies were refused, both agents know.
    await stop(listener);
    await edge.listener(COLLECTOR);
    const programs = await agents();
    // A host says so once a second at most, and what it says in the midst of a batch the kernel does not hand on.
    const isKnown = () => programs.every(({ errors }) => errors.includes(`nobody listens at ${SECOND}`));
    for (const end = Date.now() + 60_000; !isKnown() && Date.now() < end; )
      await edge.carry({ connections: 2, fromClient: 10_000, fromServer: 10_000 });
    expect(isKnown()).toBe(true);
    const late = await edge.watch("collector", "any", `udp and dst host ${COLLECTOR}`);
    const alone = await edge.carry({ connections: CONNECTIONS, fromClient: 30_000, fromServer: 30_000 });
    await connectionsClosed(edge.network);
    for (const program of programs) await edge.ended(program);
    await late.finish();
    const { records } = await observe([late.file]);
    const tokens = records
      .filter(({ event }) => event.action === "session-ended")
      .map(({ mptcp }) => mptcp.token.initiator);
    expect(tokens.sort()).toEqual(alone.client.map(({ token }) => token).sort());
  });

  test("samples whole sessions, the same on both routers", async () => {
    const copies = await edge.watch("collector", "any", `udp and dst port 4754`);
    const programs = await Promise.all(
      ROUTERS.map((router, n) =>
        edge.agent(router, { collector: ADDRESSES.collector.ipv4[n], key: n + 1, sample: 0.5 }),
      ),
    );
    const truth = await edge.carry({ connections: CONNECTIONS, fromClient: 40_000, fromServer: 40_000 });
    await connectionsClosed(edge.network);
    const counters = [];
    for (const program of programs) counters.push(await edge.ended(program));
    await copies.finish();
    const { records } = await observe([copies.file]);
    const ends = records.filter(
      ({ event, mptcp }) => event.action === "session-ended" && mptcp.stream.responder.octets > 0,
    );
    for (const { mptcp } of ends) {
      expect(mptcp.stream.responder).toMatchObject({ complete: true, missing_octets: 0 });
      expect(mptcp.subflows.map(({ kind }) => kind)).toEqual(["initial", "joined"]);
    }
    const [one, two] = counters.map(({ flows }) => flows.leftOut);
    expect(one).toBeGreaterThan(0);
    expect(one).toBe(two);
    expect(ends).toHaveLength(truth.client.length - (one ?? 0));
  });

  test("goes on while its collector is started anew: sessions behind that are whole", async () => {
    const records = join(edge.folder, "records");
    const collector = async () => {
      const from = ADDRESSES.router.ipv4[0];
      const to = ["--listen-udp", `${COLLECTOR}:4755`, "--dir", records, "--agent", `name=router1,address=${from}`];
      return edge.program("collector", /listening on udp/, "collect", ...to);
    };
    edge.network.exec("client", "ip", "mptcp", "endpoint", "flush");
    const first = await collector();
    const program = await edge.agent("router1", { collector: `${COLLECTOR}:4755` });
    await edge.carry({});
    expect(await first.stop()).toBe(0);
    const missed = await edge.carry({});
    const second = await collector();
    const truth = await edge.carry({});
    joinFromSecondAddress(edge.network);
    await connectionsClosed(edge.network);
    await edge.ended(program);
    expect(await second.stop()).toBe(0);
    const lines = readFileSync(join(records, "rejoin.sessions.v1.jsonl"), "utf8").trimEnd().split("\n");
    const told = lines.map((line) => JSON.parse(line) as SessionRecord);
    const recordsOf = (token: string | undefined) =>
      told.filter(({ event, mptcp }) => event.action === "session-ended" && mptcp.token.initiator === token);
    expect(recordsOf(missed.client[0]?.token)).toEqual([]);
    const [record] = recordsOf(truth.client[0]?.token);
    expect(record?.mptcp.stream.initiator).toMatchObject({ complete: true, missing_octets: 0, octets: 200_000 });
  });
});
