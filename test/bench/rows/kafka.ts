import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { kafkaMissing, TestKafka } from "../../support/kafka.ts";
import { needs } from "../../support/requirements.ts";
import { type DeliveryTurn, KAFKA_TOPIC, type KafkaWorkload, PARTITIONS, type PathTurn } from "../kafka-workload.ts";
import { median, packageOf } from "../measure.ts";
import { pinnedProgram } from "../programs.ts";
import { differencesOf, type MeasuredPart, type Row, type RowResult } from "../result.ts";
import { inTurn } from "../turns.ts";

const WAYS = ["outbox", "kafkajs", "once"] as const;
type Way = (typeof WAYS)[number];

/** The broker has one core, the program all of whose threads are measured the other. */
const BROKER_CORE = 0;
const PROGRAM_CORE = 1;
const RECORDS = 30_000;
const SESSIONS = 8000;
/** 20,000 records a second, and 0.8 of what kafkajs alone takes. */
const MOST_MICROS = 50;
const MOST_TIMES_KAFKAJS = 1.25;
const MOST_TIMES_WITH_KAFKA = 1.1;

/** Records from encoding to acknowledged, through the outbox, against kafkajs alone; vectors while the broker is away. */
export const KAFKA: Row = {
  name: "kafka",
  missing: () => needs("Java 17", "mvn", "taskset"),
  run: async () => {
    const reason = await kafkaMissing();
    if (reason !== undefined) throw new Error(reason);
    const kafka = await TestKafka.start();
    const folder = mkdtempSync(join(tmpdir(), "rejoin-bench-kafka-"));
    try {
      kafka.pin(BROKER_CORE);
      await kafka.createTopic(KAFKA_TOPIC, PARTITIONS);
      return await compared(kafka, folder);
    } finally {
      await kafka.wipe();
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

async function compared(kafka: TestKafka, folder: string): Promise<RowResult> {
  const runs = await delivered(kafka, folder);
  const { up, down } = await alongPath(kafka, folder);
  const micros = (way: Way, figure: (run: DeliveryTurn) => number) =>
    median(runs[way].map((run) => (figure(run) * 1e6) / RECORDS));
  const [took, alone] = [micros("outbox", (run) => run.seconds), micros("kafkajs", (run) => run.seconds)];
  return {
    row: "kafka",
    about:
      `5 times ${RECORDS.toLocaleString("en")} findings of ${Math.round((runs.outbox[0]?.octets ?? 0) / RECORDS)} octets of MessagePack, ` +
      "gzip, four producers over twelve partitions, all acks; broker and program on a core each; and the vectors of " +
      `${SESSIONS.toLocaleString("en")} handshakes with a record each, 2,000 a second, with Kafka and with the broker killed`,
    against: [packageOf("kafkajs")],
    figures: [
      { what: "through the outbox", value: 1e6 / took, unit: "records a second" },
      { what: "kafkajs alone", value: 1e6 / alone, unit: "records a second" },
      {
        what: "exactly once, through the outbox",
        value: 1e6 / micros("once", (run) => run.seconds),
        unit: "records a second",
      },
      {
        what: "processor time through the outbox",
        value: micros("outbox", (run) => run.cpuSeconds),
        unit: "µs per record",
      },
      {
        what: "processor time of kafkajs alone",
        value: micros("kafkajs", (run) => run.cpuSeconds),
        unit: "µs per record",
      },
      { what: "a vector of 64 packets, with Kafka", value: up.medianMicros, unit: "µs, median" },
      { what: "the same while the broker is away", value: down.medianMicros, unit: "µs, median" },
      { what: "a vector of 64 packets, with Kafka", value: up.p99Micros, unit: "µs, 99 of 100" },
      { what: "the same while the broker is away", value: down.p99Micros, unit: "µs, 99 of 100" },
    ],
    claims: [
      { what: "µs per record, wall", value: took, target: MOST_MICROS, process: processOf("outbox") },
      { what: "times kafkajs alone", value: took / alone, target: MOST_TIMES_KAFKAJS, process: processOf("outbox") },
      {
        what: "times a vector's median with Kafka, without",
        value: down.medianMicros / up.medianMicros,
        target: MOST_TIMES_WITH_KAFKA,
        process: processOf("path"),
      },
      {
        what: "times a vector's 99th of 100 with Kafka, without",
        value: down.p99Micros / up.p99Micros,
        target: MOST_TIMES_WITH_KAFKA,
        process: processOf("path"),
      },
    ],
    differences: differencesOf([
      ...runs.outbox.map(({ acknowledged }) => ["acknowledged through the outbox", RECORDS, acknowledged] as const),
      ...runs.once.map(({ acknowledged }) => ["acknowledged in transactions", RECORDS, acknowledged] as const),
      ...runs.kafkajs.map(({ acknowledged }) => ["acknowledged to kafkajs", RECORDS, acknowledged] as const),
    ]),
  };
}

/** What each way took for its turns. */
async function delivered(kafka: TestKafka, folder: string): Promise<Record<Way, readonly DeliveryTurn[]>> {
  const programs = WAYS.map((way) =>
    start({ way, broker: kafka.address, directory: join(folder, way), count: RECORDS }),
  );
  try {
    for (const program of programs) await program.turn();
    const [outbox = [], kafkajs = [], once = []] = await inTurn<DeliveryTurn>(programs, (i, { seconds }) =>
      process.stderr.write(`bench: kafka: ${WAYS[i]}: ${Math.round(RECORDS / seconds)} records a second\n`),
    );
    for (const program of programs) await program.end();
    return { outbox, kafkajs, once };
  } finally {
    for (const program of programs) await program.close();
  }
}

/** What vectors took while Kafka took their records, and after it was killed. */
async function alongPath(kafka: TestKafka, folder: string): Promise<{ up: PathTurn; down: PathTurn }> {
  const program = start({ way: "path", broker: kafka.address, directory: join(folder, "path"), count: SESSIONS });
  try {
    await program.turn();
    const up = await program.turn<PathTurn>();
    await kafka.kill();
    const down = await program.turn<PathTurn>();
    await program.end();
    return { up, down };
  } finally {
    await program.close();
  }
}

/** The process that delivers in one way. */
const processOf = (way: KafkaWorkload["way"]): MeasuredPart => ({
  name: way === "path" ? "Handshakes with a record each" : "Records through the outbox",
  words: [JSON.stringify({ way }).slice(1, -1)],
});

const start = (workload: KafkaWorkload) => pinnedProgram(PROGRAM_CORE, "deliver", JSON.stringify(workload));
