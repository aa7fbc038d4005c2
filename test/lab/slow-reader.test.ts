import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { FindingRecord } from "../../schema/finding-record.ts";
import { judgedProbes } from "../judge/window-probes.ts";
import { observe } from "../scenario/observed.ts";
import { needs, titled } from "../support/requirements.ts";
import type { Network } from "./network.ts";
import { PacketCount } from "./packet-count.ts";
import { StalledTransfer, type TransferTruth, transfer } from "./transfer.ts";
import { ADDRESSES, buildTwoPaths, joinFromSecondAddress, LAB, ROUTERS } from "./two-paths.ts";

const reason = needs(...LAB, "tshark");

/** Linux does not promise probes: where a transfer had none, another one is made. */
const TRIES = 3;
const OCTETS = 300_000;

describe.skipIf(reason !== undefined)(titled("readers so slow that Linux probes their windows", reason), () => {
  let network: Network;
  const folder = mkdtempSync(join(tmpdir(), "rejoin-slow-"));

  beforeAll(() => {
    network = buildTwoPaths();
    joinFromSecondAddress(network);
  });
  afterAll(async () => {
    await network?.close();
    rmSync(folder, { recursive: true });
  });

  const slowTransfer = (): Promise<TransferTruth> =>
    transfer(network, {
      clientAddress: ADDRESSES.client.ipv4[0],
      serverAddress: ADDRESSES.server.ipv4[0],
      connections: 1,
      fromClient: OCTETS,
      fromServer: OCTETS,
      isSlow: true,
    });

  /** A transfer, and what both routers saw of it. */
  async function captured(nth: number): Promise<{ truth: TransferTruth; files: string[] } | null> {
    const counts = ROUTERS.map(
      (router) => new PacketCount(network, router, "core", "tcp", join(folder, `${router}-${nth}.pcap`)),
    );
    await Promise.all(counts.map((count) => count.started()));
    const truth = await slowTransfer().catch((error: unknown) => {
      if (error instanceof StalledTransfer && nth < TRIES) return null;
      throw error;
    });
    await Promise.all(counts.map((count) => count.finish()));
    return truth && { truth, files: counts.map(({ file }) => file) };
  }

  it("both ways: each probe that tshark shows is counted, no octet differs, and streams are what was sent", async () => {
    for (let nth = 1; ; nth++) {
      const seen = await captured(nth);
      if (seen === null) continue;
      const { truth, files } = seen;
      const probes = judgedProbes(files, truth.client[0]?.remote[1] ?? 0);
      if (Math.min(probes.client, probes.server) === 0 && nth < TRIES) continue;
      const findings: FindingRecord[] = [];
      const { records } = await observe(files, { finding: (finding) => findings.push(finding) });
      expect(records).toHaveLength(1);
      const stream = records[0]?.mptcp.stream;
      for (const [side, host] of [
        ["initiator", "client"],
        ["responder", "server"],
      ] as const) {
        expect(probes[host]).toBeGreaterThan(0);
        expect(stream?.[side]).toMatchObject({
          ...{ window_probes: probes[host], conflicting: 0, conflicts: [], octets: OCTETS, complete: true },
          sha256: truth[host][0]?.sent.sha256,
        });
        // The kernel's own count, of all transfers until then; older kernels have none.
        expect(truth.kernel[host].counters.WinProbe ?? probes[host]).toBeGreaterThanOrEqual(probes[host]);
      }
      expect(findings.map(({ event }) => event.action)).not.toContain("octets-differ");
      return;
    }
  });
});
