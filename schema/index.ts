/** What others rely on: records, topics, encodings. Imported as `rejoin/schema`. */
export * from "./agent-record.ts";
export * from "./encoding.ts";
export * from "./finding-record.ts";
export * from "./gap-record.ts";
export * from "./json-schema.ts";
export * from "./session-record.ts";
export * from "./stream-chunk.ts";
export * from "./topics.ts";
