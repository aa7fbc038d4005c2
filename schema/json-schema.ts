import { z } from "zod";
import { AGENT_DATASET, agentRecord } from "./agent-record.ts";
import { FINDING_DATASET, findingRecord } from "./finding-record.ts";
import { GAP_DATASET, gapRecord } from "./gap-record.ts";
import { SESSION_DATASET, sessionRecord } from "./session-record.ts";
import { STREAM_DATASET, streamChunk } from "./stream-chunk.ts";
import { SCHEMA_IDS } from "./topics.ts";

/** The zod schema of each dataset's record. */
export const RECORD_SCHEMAS = {
  [SESSION_DATASET]: sessionRecord,
  [FINDING_DATASET]: findingRecord,
  [STREAM_DATASET]: streamChunk,
  [AGENT_DATASET]: agentRecord,
  [GAP_DATASET]: gapRecord,
} as const;

/** A dataset that has a schema. */
export type Dataset = keyof typeof RECORD_SCHEMAS;

/**
 * JSON Schema 2020-12 of a dataset's record, as it stands in JSON. Unknown fields are allowed: later minor versions
 * add some. `schema/json` keeps the text of each.
 */
export function jsonSchemaOf(dataset: Dataset): object {
  const schema = z.toJSONSchema(RECORD_SCHEMAS[dataset], {
    io: "input",
    // A format says for the reader what zod's pattern of 200 characters says for the machine.
    override: ({ jsonSchema }) => {
      if (jsonSchema.format !== undefined) delete jsonSchema.pattern;
    },
  });
  const { $schema, ...rest } = schema;
  return { $schema, $id: SCHEMA_IDS[dataset], ...rest };
}
