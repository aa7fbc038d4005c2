import { expect, test } from "vitest";
import { renderFooter, renderSummary } from "../../collectors/offline/summary.ts";
import { Pipeline } from "../../src/pipeline.ts";
import { CollectedStreams, keeping } from "../support/pipeline-run.ts";

/** The lines of a summary of nothing but what bounds left out, and findings. */
function lines(shed: Record<string, number>, findings: Record<string, number>, width: number | null = null): string[] {
  const totals = new Pipeline(keeping([], new CollectedStreams())).totals();
  return renderSummary({ ...totals, shed, findings }, width, false).split("\n");
}

test("what bounds left out is told in words", () => {
  const all = lines({ "copies-not-compared": 1234, rewritings: 1 }, {});
  expect(all).toContain("left out   the comparison of 1,234 second copies with the first, whose octets were not kept");
  expect(all).toContain("left out   1 packet rewritten between agents, on more subflows than are followed at a time");
  expect(lines({ "asked-joins": 2 }, {})).toContain(
    "left out   what 2 SYNs of joins said, on 4-tuples that other flows had",
  );
  expect(lines({ "early-answers": 1 }, {})).toContain(
    "left out   the order of 1 answer told as plain TCP, for which too much waited",
  );
  expect(lines({ "copies-not-compared": 1 }, {}).join()).toContain("of 1 second copy with the first,");
  for (const line of lines({ "copies-not-compared": 1234, rewritings: 1 }, {}, 80)) {
    expect(line.length).toBeLessThanOrEqual(80);
  }
});

test("findings beyond those that are told of a session are counted in words", () => {
  expect(lines({}, { "join-hmac-failed": 32, "left-out": 8 })).toContain(
    "findings   join-hmac-failed 32, 8 more than are told",
  );
});

test("the line under a table says what nobody could tell", () => {
  const totals = new Pipeline(keeping([], new CollectedStreams())).totals();
  const packets = { "subflow/options-cut": 1234 };
  expect(renderFooter({ ...totals, shed: { "copies-not-compared": 2 }, packets }, false)).toBe(
    "0 sessions of 0 subflows in 0 packets; 2 second copies were not compared; 1,234 packets end inside the TCP options, where MPTCP would stand: capture more of each packet (tcpdump -s 0)\n",
  );
  expect(renderFooter(totals, false)).toBe("0 sessions of 0 subflows in 0 packets\n");
  const plain = { ...totals, packetsIn: 7, packets: { "subflow/plain-tcp": 5, "decapsulate/not-ip": 2 } };
  expect(renderFooter(plain, false)).toBe("0 sessions of 0 subflows in 7 packets; none of them shows MPTCP\n");
  // An unanswered SYN with the option.
  const asked = { ...plain, sessions: { ...totals.sessions, halfOpen: 1 } };
  expect(renderFooter(asked, false)).toBe("0 sessions of 0 subflows in 7 packets\n");
  const unread = { "decapsulate/mpls": 1233, "decapsulate/vlan-depth": 1, "decapsulate/not-ip": 5 };
  expect(renderFooter({ ...totals, packets: unread }, true)).toBe(
    "0 sessions of 0 subflows in 0 packets; 1,234 packets were not looked into (MPLS with something else than IP in it, or more labels than the bound; more VLAN tags than the bound)\n",
  );
});
