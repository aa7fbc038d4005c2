import { HEADERS, PAYLOAD } from "./captures.ts";
import { MIXED } from "./mixed.ts";
import { readingRow } from "./reading.ts";
import type { Row } from "./result.ts";
import { CHECKSUM_ROW } from "./rows/checksum.ts";
import { DIGEST } from "./rows/digest.ts";
import { GROWTH } from "./rows/growth.ts";
import { HANDOVER } from "./rows/handover.ts";
import { KAFKA } from "./rows/kafka.ts";
import { MEMORY } from "./rows/memory.ts";
import { MILLION_ROW } from "./rows/million.ts";
import { RING } from "./rows/ring.ts";
import { SELECT } from "./rows/select.ts";
import { SEND } from "./rows/send.ts";
import { SETUP } from "./rows/setup.ts";
import { START } from "./rows/start.ts";
import { STREAMS } from "./rows/streams.ts";
import { UDP } from "./rows/udp.ts";

/** All rows of the bench, in the order in which they run and are told. */
export const ROWS: readonly Row[] = [
  ...[readingRow(HEADERS, 1.5), readingRow(PAYLOAD, 1), STREAMS, DIGEST, CHECKSUM_ROW, readingRow(MIXED, 1.5)],
  ...[MILLION_ROW, MEMORY, SETUP, HANDOVER, GROWTH, START],
  ...[RING, UDP, SELECT, SEND, KAFKA],
];
