import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { PlainTcpCaptures, type PlainTcpConfig } from "../../../collectors/central/plain-tcp/captures.ts";
import { PcapBuffer } from "../../../src/capture-file/pcap-buffer.ts";
import { PLAIN_TCP_FORMAT } from "../../../src/plain-tcp/plain-tcp.ts";
import { packetsIn } from "../../plain-tcp/retold.ts";
import { segment } from "../../support/packets.ts";
import { needs, titled } from "../../support/requirements.ts";

const MIB = 1024 * 1024;
const BEGIN = 1_790_000_000_000_000;
/** More than one of them fill a buffer of what is to be written. */
const PAYLOAD = 1400;
const PER_BUFFER = Math.floor(262_144 / (16 + 40 + PAYLOAD));

/** The nth packet that is told. */
const packet = (n: number): Buffer =>
  segment({
    from: { ip: "10.0.0.1", port: 1 },
    to: { ip: "10.0.0.2", port: 2 },
    seq: n * PAYLOAD,
    ack: 0,
    flags: 0x10,
    options: [],
    payload: Buffer.alloc(PAYLOAD, n & 0xff),
  });

function setUp(config: Partial<PlainTcpConfig> = {}) {
  const parent = mkdtempSync(join(tmpdir(), "rejoin-captures-"));
  onTestFinished(() => rmSync(parent, { recursive: true, force: true }));
  const directory = join(parent, "captures");
  const warnings: string[] = [];
  const captures = new PlainTcpCaptures(
    { directory, rotateMs: 3_600_000, rotateOctets: 1024 * MIB, keepOctets: 1024 * MIB, ...config },
    { warn: (line: unknown) => void warnings.push(String(line)) },
  );
  return { directory: config.directory ?? directory, warnings, captures };
}

function tell(captures: PlainTcpCaptures, from: number, to: number): void {
  for (let n = from; n < to; n++) captures.add(packet(n), BEGIN + n);
}

const finished = (directory: string): string[] =>
  readdirSync(directory)
    .filter((name) => name.endsWith(".pcap"))
    .sort()
    .map((name) => join(directory, name));

/** Numbers of the packets in finished captures, in the order in which a detector reads them. */
const numbersIn = (directory: string): number[] =>
  finished(directory).flatMap((path) =>
    packetsIn(path).map(({ seq, atMicros }) => {
      expect(atMicros).toBe(BEGIN + seq / PAYLOAD);
      return seq / PAYLOAD;
    }),
  );

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, n) => from + n);

describe("captures of sessions as plain TCP", () => {
  it("have every packet once and in order, over as many files as their size asks for, and show only whole ones", async () => {
    const { directory, captures, warnings } = setUp({ rotateOctets: MIB });
    await captures.open();
    tell(captures, 0, 5000);
    await captures.close(10_000);
    expect(finished(directory).length).toBeGreaterThan(5);
    for (const path of finished(directory).slice(0, -1)) expect(statSync(path).size).toBeGreaterThanOrEqual(MIB);
    expect(numbersIn(directory)).toEqual(range(0, 5000));
    expect(captures.report()).toEqual({
      ...{ packets: 5000, written: 5000, shed: { behind: 0, failed: 0 } },
      ...{ captures: finished(directory).length, deleted: 0 },
    });
    expect([readdirSync(join(directory, "unfinished")), warnings]).toEqual([[], []]);
  });

  it("are finished at their age, and the next one begins", async () => {
    const { directory, captures } = setUp({ rotateMs: 1 });
    await captures.open();
    tell(captures, 0, 3);
    await vi.waitFor(() => expect(numbersIn(directory)).toEqual([0, 1, 2]), { timeout: 10_000 });
    tell(captures, 3, 4);
    await captures.close(10_000);
    expect(numbersIn(directory)).toEqual([0, 1, 2, 3]);
    expect(finished(directory)).toHaveLength(2);
  });

  it("are finished at their age and named in their order where the clock is set back, too", async () => {
    const { directory, captures } = setUp({ rotateMs: 500 });
    await captures.open();
    tell(captures, 0, 3);
    await vi.waitFor(() => expect(captures.report().written).toBe(3), { timeout: 10_000 });
    const setBack = vi.spyOn(Date, "now").mockReturnValue(Date.now() - 3_600_000);
    onTestFinished(() => setBack.mockRestore());
    // `waitFor` goes by the clock that stands now.
    for (let n = 0; n < 50 && captures.report().captures === 0; n++)
      await new Promise((resolve) => setTimeout(resolve, 100));
    expect(numbersIn(directory)).toEqual([0, 1, 2]);
    tell(captures, 3, 4);
    await captures.close(10_000);
    expect(numbersIn(directory)).toEqual([0, 1, 2, 3]);
  });

  it("are none where nothing was told", async () => {
    const { directory, captures } = setUp({ rotateMs: 1 });
    await captures.open();
    await captures.close(10_000);
    expect(readdirSync(directory)).toEqual(["unfinished"]);
    expect(readdirSync(join(directory, "unfinished"))).toEqual([]);
  });

  it("are deleted, the oldest first, where nobody takes them, and that is told", async () => {
    const { directory, captures, warnings } = setUp({ rotateOctets: MIB, keepOctets: 2.75 * MIB });
    await captures.open();
    tell(captures, 0, 8 * 4 * PER_BUFFER);
    await captures.close(10_000);
    const left = numbersIn(directory);
    expect(left).toEqual(range(32 * PER_BUFFER - left.length, 32 * PER_BUFFER));
    const { captures: made, deleted } = captures.report();
    expect([made - deleted, finished(directory).length]).toEqual([2, 2]);
    expect(deleted).toBeGreaterThan(4);
    expect(warnings[0]).toMatch(/captures: 1 capture that nobody took deleted, for plainTcp.keepMib was reached/);
  });

  it("are deleted some at a time where they are small, and none before their bound", async () => {
    const buffer = PER_BUFFER * (16 + 40 + PAYLOAD) + 24;
    const { directory, captures, warnings } = setUp({ rotateOctets: 1, keepOctets: 32 * buffer });
    await captures.open();
    tell(captures, 0, 32 * PER_BUFFER);
    await captures.close(10_000);
    expect([finished(directory).length, warnings]).toEqual([32, []]);
    const later = setUp({ directory, rotateOctets: 1, keepOctets: 32 * buffer });
    await later.captures.open();
    tell(later.captures, 0, 3 * PER_BUFFER);
    await later.captures.close(10_000);
    expect(later.warnings).toEqual([expect.stringMatching(/: 3 captures that nobody took deleted/)]);
    expect(finished(directory)).toHaveLength(32);
  });

  it("keep what an earlier process did not finish, up to its last whole packet", async () => {
    const { directory, captures } = setUp();
    const unfinished = join(directory, "unfinished");
    await captures.open();
    tell(captures, 0, 10);
    await captures.close(10_000);
    const [path = ""] = finished(directory);
    const whole = readFileSync(path);
    rmSync(path);
    writeFileSync(join(unfinished, "rejoin-20260101T000000000Z-000000.pcap"), whole.subarray(0, 24));
    writeFileSync(join(unfinished, "rejoin-20260101T000000000Z-000001.pcap"), whole.subarray(0, whole.length - 1));
    writeFileSync(join(unfinished, "rejoin-20260101T000000000Z-000002.pcap"), whole);
    writeFileSync(join(unfinished, "somebody's own.pcap"), "");
    const config = { directory, rotateMs: 3_600_000, rotateOctets: MIB, keepOctets: MIB };
    const later = new PlainTcpCaptures(config, { warn: () => {} });
    await later.open();
    expect(numbersIn(directory)).toEqual([...range(0, 9), ...range(0, 10)]);
    expect(readdirSync(unfinished).sort()).toEqual(["rejoin.lock", "somebody's own.pcap"]);
    await later.close(10_000);
  });

  it("of an earlier process are finished at once, though they are of many short packets", async () => {
    const { directory, captures } = setUp();
    mkdirSync(join(directory, "unfinished"), { recursive: true });
    const header = new PcapBuffer(PLAIN_TCP_FORMAT, 24);
    header.putHeader();
    const many = new PcapBuffer(PLAIN_TCP_FORMAT, 56 * 200_000);
    for (let n = 0; n < 200_000; n++) many.put(packet(n).subarray(0, 40), BEGIN);
    const whole = Buffer.concat([header.octets, many.octets]);
    const name = "rejoin-20260101T000000000Z-000000.pcap";
    writeFileSync(join(directory, "unfinished", name), Buffer.concat([whole, many.octets.subarray(0, 30)]));
    const began = performance.now();
    await captures.open();
    expect(performance.now() - began).toBeLessThan(1500);
    expect(readFileSync(join(directory, name)).equals(whole)).toBe(true);
    await captures.close(10_000);
  });

  it("wait in memory until their directory is there, and are shed at a bound", async () => {
    const { directory, captures } = setUp();
    tell(captures, 0, 70 * PER_BUFFER);
    const { behind } = captures.report().shed;
    // 64 buffers wait, and one is being filled.
    expect(behind).toBe(5 * PER_BUFFER);
    await captures.open();
    await captures.close(10_000);
    expect(numbersIn(directory)).toEqual([...range(0, 64 * PER_BUFFER), ...range(69 * PER_BUFFER, 70 * PER_BUFFER)]);
    expect(captures.report().written).toBe(65 * PER_BUFFER);
  });

  it("leave directories alone that have the names of captures", async () => {
    const { directory, captures, warnings } = setUp({ rotateOctets: MIB, keepOctets: 2.5 * MIB });
    const name = "rejoin-20260101T000000000Z-000000.pcap";
    for (const below of ["", "unfinished"]) mkdirSync(join(directory, below, name), { recursive: true });
    await captures.open();
    tell(captures, 0, 8 * 4 * PER_BUFFER);
    await captures.close(10_000);
    expect(captures.report().deleted).toBeGreaterThan(4);
    expect(warnings.join()).not.toContain("EISDIR");
    expect(existsSync(join(directory, name))).toBe(true);
  });

  it("go on where somebody empties the directory", async () => {
    const { directory, captures, warnings } = setUp();
    await captures.open();
    rmSync(join(directory, "unfinished"), { recursive: true });
    tell(captures, 0, 2);
    await captures.close(10_000);
    expect([numbersIn(directory), warnings]).toEqual([[0, 1], []]);
  });

  it("that take too long to finish are told, and keep their directory until they are", async () => {
    const { directory, captures, warnings } = setUp();
    await captures.open();
    tell(captures, 0, 64 * PER_BUFFER);
    await captures.close(0);
    expect(warnings).toEqual([
      expect.stringMatching(/captures: takes too long to write; the last capture is not fini/),
    ]);
    const later = new PlainTcpCaptures({ directory, rotateMs: 1, rotateOctets: 1, keepOctets: 1 }, { warn: () => {} });
    await expect(later.open()).rejects.toThrow("writes there");
    await vi.waitFor(() => expect(numbersIn(directory)).toEqual(range(0, 64 * PER_BUFFER)), { timeout: 10_000 });
  });

  it("that somebody deletes before they are finished are lost, and that is counted", async () => {
    const { directory, captures, warnings } = setUp();
    await captures.open();
    tell(captures, 0, PER_BUFFER + 1);
    const unfinished = join(directory, "unfinished");
    await vi.waitFor(() => expect(readdirSync(unfinished)).toHaveLength(2), { timeout: 10_000 });
    rmSync(unfinished, { recursive: true });
    tell(captures, PER_BUFFER + 1, PER_BUFFER + 3);
    await captures.close(10_000);
    const packets = PER_BUFFER + 3;
    expect(captures.report()).toMatchObject({ packets, written: 0, shed: { behind: 0, failed: packets }, captures: 0 });
    expect([finished(directory), warnings]).toEqual([[], [expect.stringMatching(/sessions as plain TCP: ENOENT/)]]);
  });

  it("have no place in a file, or where another process of ours writes", async () => {
    const { directory, captures } = setUp();
    writeFileSync(directory, "");
    await expect(captures.open()).rejects.toMatchObject({
      code: "PLAIN_TCP_DIRECTORY",
      message: expect.stringMatching(/captures: no captures can be written there .*--plain-tcp/),
    });
    rmSync(directory);
    await captures.open();
    const second = new PlainTcpCaptures({ directory, rotateMs: 1, rotateOctets: 1, keepOctets: 1 }, { warn: () => {} });
    await expect(second.open()).rejects.toThrow(`another collector, process ${process.pid}, writes there`);
    await second.close(0);
    expect(existsSync(join(directory, "unfinished/rejoin.lock"))).toBe(false);
    await captures.close(10_000);
  });

  const noPrlimit = needs("prlimit");
  it.skipIf(noPrlimit)(titled("have what a full disk takes, and say how much it did not", noPrlimit), async () => {
    const limit = (octets: number | "unlimited"): void => {
      spawnSync("prlimit", ["--pid", String(process.pid), `--fsize=${octets}:unlimited`]);
    };
    const { directory, captures, warnings } = setUp();
    await captures.open();
    limit(MIB);
    onTestFinished(() => limit("unlimited"));
    tell(captures, 0, 5 * PER_BUFFER + 1);
    await vi.waitFor(() => expect(captures.report().shed.failed).toBeGreaterThan(0), { timeout: 10_000 });
    limit(0);
    // For as long as it lasts: what fails makes room for what comes.
    for (let n = 0; n < 100; n++) {
      tell(captures, 0, PER_BUFFER);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    expect(captures.report().shed.behind).toBe(0);
    limit("unlimited");
    tell(captures, 5 * PER_BUFFER + 1, 5 * PER_BUFFER + 10);
    await captures.close(10_000);
    const { packets, written, shed } = captures.report();
    const left = numbersIn(directory);
    expect([left.length, packets]).toEqual([written, written + shed.failed]);
    expect(left.slice(0, 4 * PER_BUFFER)).toEqual(range(0, 4 * PER_BUFFER));
    expect(left.slice(-9)).toEqual(range(5 * PER_BUFFER + 1, 5 * PER_BUFFER + 10));
    expect(warnings.join()).toMatch(/captures: sessions as plain TCP: EFBIG/);
  });
});
