import { describe, expect, it } from "vitest";
import { OperationalError } from "../../collectors/runtime/errors.ts";
import { changeOf, reloadOnHangup } from "../../collectors/runtime/reload.ts";
import { collectorConfiguration } from "../../schema/configuration/collector.ts";

const configuration = (written: object) => collectorConfiguration.parse({ anyAgent: true, ...written });
const current = configuration({});

/** A log that keeps its lines. */
function keptLog() {
  const lines: string[] = [];
  const keep = (weight: string) => (line: unknown) => void lines.push(`${weight} ${line}`);
  return { lines, info: keep("info"), warn: keep("warn"), error: keep("error") };
}

describe("a changed configuration", () => {
  it("is taken over where it may be, and waits elsewhere", () => {
    const next = configuration({ log: { level: "debug" }, sink: { kind: "stdout" }, outbox: { maxMib: 7 } });
    expect(changeOf("collector", current, next)).toEqual({
      values: { ...current, log: { ...current.log, level: "debug" } },
      changed: ["log.level"],
      waiting: ["sink.kind", "outbox.maxMib"],
    });
  });

  it("that is the same changes nothing", () => {
    expect(changeOf("collector", current, configuration({}))).toEqual({ values: current, changed: [], waiting: [] });
  });
});

describe("SIGHUP", () => {
  it("hands on what is in use now, and says what waits, each time", () => {
    const log = keptLog();
    const applied: string[] = [];
    const next = configuration({ log: { level: "debug" }, listen: { udp: [1] } });
    reloadOnHangup(
      "collector",
      current,
      () => next,
      ({ log }) => void applied.push(log.level),
      log,
    );
    process.emit("SIGHUP");
    process.emit("SIGHUP");
    process.removeAllListeners("SIGHUP");
    expect(applied).toEqual(["debug", "debug"]);
    expect(log.lines).toEqual([
      "info SIGHUP: taken over: log.level",
      "warn SIGHUP: changes at the next start only: listen.udp",
      "info SIGHUP: nothing to take over",
      "warn SIGHUP: changes at the next start only: listen.udp",
    ]);
  });

  it("with a file that cannot be used leaves all as it was", () => {
    const log = keptLog();
    const applied: unknown[] = [];
    const broken = () => {
      throw new OperationalError("CONFIGURATION", "c.yaml:1: no");
    };
    reloadOnHangup("collector", current, broken, (values) => void applied.push(values), log)();
    process.removeAllListeners("SIGHUP");
    expect([applied, log.lines]).toEqual([[], ["error SIGHUP: the configuration stays as it was: c.yaml:1: no"]]);
  });
});
