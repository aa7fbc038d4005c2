import { afterEach, describe, expect, it } from "vitest";
import { OperationalError } from "../../collectors/runtime/errors.ts";
import { changeOf, reloadOnHangup } from "../../collectors/runtime/reload.ts";
import { collectorConfiguration } from "../../schema/configuration/collector.ts";

const configuration = (written: object) => collectorConfiguration.parse({ anyAgent: true, ...written });
const current = configuration({});

/** A log that keeps its lines. */
function keptLog() {
  const lines: string[] = [];
  const keep = (weight: string) => (line: unknown) => void lines.push(`${weight} ${line}`);
  return { lines, level: "info", info: keep("info"), warn: keep("warn"), error: keep("error") };
}

/** Sends this process the signal, so many times, and waits until all was done. */
async function hangUp(times = 1): Promise<void> {
  for (let n = 0; n < times; n++) process.emit("SIGHUP");
  await new Promise(setImmediate);
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
  afterEach(() => void process.removeAllListeners("SIGHUP"));

  it("hands on what is in use now, and says what waits, each time", async () => {
    const log = keptLog();
    const applied: string[] = [];
    const next = configuration({ log: { level: "warn" }, listen: { udp: [1] } });
    reloadOnHangup(
      "collector",
      current,
      () => next,
      ({ log }) => void applied.push(log.level),
      log,
    );
    await hangUp(2);
    expect([applied, log.level]).toEqual([["warn", "warn"], "warn"]);
    expect(log.lines).toEqual([
      "info SIGHUP: taken over: log.level",
      "warn SIGHUP: changes at the next start only: listen.udp",
      "info SIGHUP: nothing to take over",
      "warn SIGHUP: changes at the next start only: listen.udp",
    ]);
  });

  it("with a file that cannot be used leaves all as it was", async () => {
    const log = keptLog();
    const applied: unknown[] = [];
    const broken = () => {
      throw new OperationalError("CONFIGURATION", "c.yaml:1: no");
    };
    reloadOnHangup("collector", current, broken, (values) => void applied.push(values), log);
    await hangUp();
    expect([applied, log.lines]).toEqual([[], ["error SIGHUP: the configuration stays as it was: c.yaml:1: no"]]);
  });

  it("takes nothing over, and says so alone, where that fails; the next one tries again", async () => {
    const log = keptLog();
    const failures = [new OperationalError("address", "no such host")];
    const apply = async () => {
      const failure = failures.pop();
      if (failure !== undefined) throw failure;
    };
    reloadOnHangup("collector", current, () => configuration({ log: { level: "debug" } }), apply, log);
    await hangUp();
    expect([log.level, log.lines.splice(0)]).toEqual([
      "info",
      ["error SIGHUP: the configuration stays as it was: no such host"],
    ]);
    await hangUp();
    expect([log.level, log.lines]).toEqual(["debug", ["info SIGHUP: taken over: log.level"]]);
  });
});
