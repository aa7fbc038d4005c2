import { describe, expect, it } from "vitest";
import { sessionRecord } from "../../schema/session-record.ts";
import { DeviceClock } from "../../src/decapsulate/device-clock.ts";
import { DeliveryFields } from "../../src/wire/delivery-fields.ts";
import { BEGIN, Conversation } from "../support/conversation.ts";
import { ip } from "../support/packets.ts";
import { hex } from "../support/pcap.ts";
import { type RunPacket, run } from "../support/pipeline-run.ts";

const DAY = 86_400_000_000;

/** Before a test, by the device's clock and ours: stamps go as arrivals do. */
const PROOF = [4000, 2500, 1250, 100].map((millis) => millis * 1000);

/** When packets were copied, by the stamps of a device that has proven its clock, and whose unit and period are these. */
function copied(unit: number, period: number, ...packets: readonly [arrival: number, stamp: number][]): number[] {
  const [[arrival, stamp] = [0, 0]] = packets;
  const proof = PROOF.map((micros): [number, number] => [arrival - micros, stamp - micros]);
  return copiedUnproven(unit, period, ...proof, ...packets).slice(proof.length);
}

/** The same of a device whose first copies these are. */
function copiedUnproven(
  unit: number,
  period: number,
  ...packets: readonly [arrival: number, stamp: number][]
): number[] {
  const clock = new DeviceClock();
  return packets.map(([arrival, stamp]) => {
    const cut = Math.floor(stamp / unit) * unit;
    const stampMicros = cut - Math.floor(cut / period) * period;
    const fields = { stampMicros, stampUnitMicros: unit, stampPeriodMicros: period };
    return Math.round(clock.copied(BEGIN + arrival, Object.assign(new DeliveryFields(), fields))) - BEGIN;
  });
}

/** A clock may drift by so much of the time that passed, and rounding adds a little. */
function expectNear(found: readonly number[], expected: readonly number[], toleranceMicros = 3): void {
  expect(found).toHaveLength(expected.length);
  for (const [i, micros] of found.entries())
    expect(Math.abs(micros - (expected[i] ?? 0)), `${found}`).toBeLessThan(toleranceMicros);
}

describe("the clock of a device that stamps its copies", () => {
  it.each([0, 7 * DAY + 123])("takes out what copies waited, whatever its own time (%i)", (device) => {
    expectNear(copied(1, 30 * DAY, [0, device], [4000, device + 1000], [5000, device + 5000]), [0, 1000, 5000]);
  });

  it("the copy that took least shows how far the clocks are apart", () => {
    expectNear(copied(1, DAY, [3000, 0], [4000, 3000], [9000, 4000]), [3000, 4000, 5000]);
  });

  it("a stamp too coarse to tell tells nothing", () => {
    const [first, second, third = 0] = copied(100, DAY, [50, 0], [140, 60], [10_000, 5060]);
    expect([first, second]).toEqual([50, 140]);
    // Its stamp says that it was copied before this.
    expectNear([third], [5150]);
  });

  it("stamps that come again go on, after silence too", () => {
    expectNear(copied(1, 5000, [0, 4000], [4000, 7000]), [0, 3000]);
    expectNear(copied(1, 5000, [0, 4000], [5_014_000, 5_017_000]), [0, 5_013_000], 510);
  });

  it("a clock that is set, or begins anew, holds nothing up, and counts again when it has gone as ours", () => {
    const packets: [number, number][] = [
      [0, 3_600_000_000],
      [1000, 0],
      [4000, 2000],
      [1_200_000, 1_199_000],
    ];
    const later: [number, number][] = [
      [2_300_000, 2_299_000],
      [2_400_000, 2_396_000],
    ];
    expectNear(copied(1, DAY, ...packets, ...later), [0, 1000, 4000, 1_200_000, 2_300_000, 2_397_000], 150);
  });

  it.each([0, 0.1, 0.9, 0.99, -1])("stamps that go %f times as fast as arrivals tell nothing", (rate) => {
    const packets = Array.from({ length: 2000 }, (_, n): [number, number] => [n * 10_000, DAY / 2 + n * 10_000 * rate]);
    expectNear(
      copiedUnproven(1, DAY, ...packets),
      packets.map(([arrival]) => arrival),
    );
  });

  it.each([0.9995, 0.999, 0.998])("stamps that go %f times as fast mislead by 20 ms at most", (rate) => {
    const packets = Array.from({ length: 6000 }, (_, n): [number, number] => [n * 10_000, n * 10_000 * rate]);
    expectNear(
      copied(1, DAY, ...packets),
      packets.map(([arrival]) => arrival),
      20_000,
    );
  });

  it("stamps that come and go tell nothing", () => {
    const packets = Array.from({ length: 2000 }, (_, n): [number, number] => [n * 10_000, (n % 2) * 900_000]);
    expectNear(
      copiedUnproven(1, DAY, ...packets),
      packets.map(([arrival]) => arrival),
    );
  });

  it.each([5000, 500_000, 999_000])("a step back of %i microseconds is a matter of ten seconds", (step) => {
    const packets = Array.from({ length: 2000 }, (_, n): [number, number] => [
      n * 10_000,
      n * 10_000 - (n > 0 ? step : 0),
    ]);
    const found = copied(1, DAY, ...packets).map((micros, n) => n * 10_000 - micros);
    expect(Math.max(...found.slice(0, 1001))).toBeLessThanOrEqual(step);
    expect(Math.max(...found.slice(1001))).toBeLessThan(3);
  });

  it("copies that all wait, for less than that, are dated back by what they waited", () => {
    const packets = Array.from({ length: 100 }, (_, n): [number, number] => [
      n * 40_000 + (n > 0 ? 300_000 : 0),
      n * 40_000,
    ]);
    expectNear(
      copied(1, DAY, ...packets),
      packets.map(([, stamp]) => stamp),
      450,
    );
  });

  it("a clock that is slower by as much as clocks are does not make copies seem late", () => {
    const packets = Array.from({ length: 500 }, (_, n): [number, number] => [n * 100_000, n * 99_995]);
    const found = copied(1, DAY, ...packets);
    expectNear(
      found,
      packets.map(([arrival]) => arrival),
    );
  });

  it("time that steps back ends nothing", () => {
    expectNear(copied(1, DAY, [10_000, 10_000], [5000, 5000], [12_000, 11_000]), [10_000, 5000, 11_000]);
  });
});

/** A packet that a device copied at `micros`, in ERSPAN III with a stamp of 100 ns, and that took `late` more to come. */
function erspan(octets: Uint8Array, micros: number, late: number): RunPacket {
  const header = Buffer.from(
    hex(`1000 22eb 00000001       | GRE with a sequence number
         2000 0011 00000000       | version 2, session 17, time stamp
         0000 0802                | frame type 2, IP; granularity 1, 100 ns`),
  );
  header.writeUInt32BE((micros * 10) % 2 ** 32, 12);
  const packet = ip(47, "10.9.0.1", "10.9.0.100", Buffer.concat([header, octets]));
  return { octets: packet, wire: packet.length, atMicros: micros + late };
}

it("round-trip times are those that the device saw, however late its copies came", () => {
  const copies = [
    { micros: 0, late: 7000 },
    { micros: 30_000, late: 47_000 },
    { micros: 31_000, late: 52_000 },
  ];
  const { packets } = new Conversation().open();
  const other = ip(17, "10.1.0.1", "10.2.0.1", Buffer.alloc(8));
  const proof = PROOF.map((micros) => erspan(other, BEGIN - micros, 7000));
  const { records } = run([
    ...proof,
    ...copies.flatMap(({ micros, late }, n) => {
      const packet = packets[n];
      return packet === undefined ? [] : [erspan(packet.octets, BEGIN + micros, late)];
    }),
  ]);
  const { initiator, responder } = sessionRecord.parse(records[0]).mptcp.subflows[0]?.round_trip ?? {};
  expectNear([initiator?.min_micros ?? 0, responder?.min_micros ?? 0], [1000, 30_000], 12);
});
