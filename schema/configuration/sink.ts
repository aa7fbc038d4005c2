import { z } from "zod";
import { brokerAccess, tls } from "./broker-access.ts";
import { mebibytes } from "./values.ts";

const createTopics = z.strictObject({
  partitions: z.int().min(1).max(10_000).default(12).describe("Partitions of a topic that is made"),
  replication: z.int().min(1).max(100).default(3).describe("Its replicas; with two or more, two must have a record"),
  retentionHours: z.int().min(1).max(87_600).default(168).describe("Hours for which it keeps records"),
});

const kafka = z.strictObject({
  brokers: brokerAccess.brokers,
  compression: z
    .enum(["none", "gzip", "zstd"])
    .default("gzip")
    .describe("Of messages; zstd needs Node 22.15 on both sides, and is gzip on an older one here"),
  producers: z.int().min(1).max(16).default(4).describe("Producers, each for partitions of its own"),
  delivery: z
    .enum(["at-least-once", "exactly-once"])
    .default("at-least-once")
    .describe("exactly-once: in transactions that carry the outbox's position; needs the outbox on the disk"),
  createTopics: createTopics.nullable().default(null).describe("How missing topics are made; null: they are not"),
  tls: brokerAccess.tls,
  sasl: brokerAccess.sasl,
});

const files = z.strictObject({
  directory: z.string().min(1).default("rejoin-records").describe("Where the files are; made where it is missing"),
  rotateMib: mebibytes.default(64).describe("Begins a new file at this size, in mebibytes"),
  rotateMinutes: z.int().min(1).max(525_600).default(60).describe("Begins a new file at this age, in minutes"),
  keep: z.int().min(1).default(48).describe("Rotated files that are kept of each topic"),
});

const tcp = z.strictObject({
  host: z.string().min(1).default("localhost").describe("Where lines of JSON are read, as by Logstash and Vector"),
  port: z.int().min(1).max(65_535).default(5170).describe("Its port"),
  tls: tls.nullable().default(null).describe("TLS to it; null: without"),
});

/** Where a collector's records go; what is said of the sinks that `kind` does not name is not read. */
export const sink = z.strictObject({
  kind: z.enum(["kafka", "files", "stdout", "tcp"]).default("files").describe("Where records go"),
  kafka: kafka.prefault({}).describe("Read when `kind` is kafka"),
  files: files.prefault({}).describe("Read when `kind` is files"),
  tcp: tcp.prefault({}).describe("Read when `kind` is tcp"),
});
