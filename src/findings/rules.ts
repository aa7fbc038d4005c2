import type { SessionRecord } from "../../schema/session-record.ts";
import { addressHmacFailed } from "./address-hmac-failed.ts";
import { boundMet } from "./bound-met.ts";
import { checksumFailed } from "./checksum-failed.ts";
import { copiesLost } from "./copies-lost.ts";
import { fastcloseKeyWrong } from "./fastclose-key-wrong.ts";
import type { Finding, Rule } from "./finding.ts";
import { handshakeContradicted } from "./handshake-contradicted.ts";
import { joinHmacFailed } from "./join-hmac-failed.ts";
import { joinTokenUnknown } from "./join-token-unknown.ts";
import { joinUnproven } from "./join-unproven.ts";
import { lateFallback } from "./late-fallback.ts";
import { mappingAmbiguous } from "./mapping-ambiguous.ts";
import { mappingNotSeen } from "./mapping-not-seen.ts";
import { markRewritten } from "./mark-rewritten.ts";
import { octetsDiffer } from "./octets-differ.ts";
import { optionRepeated } from "./option-repeated.ts";
import { optionRewritten } from "./option-rewritten.ts";
import { optionsMalformed } from "./options-malformed.ts";
import { pathNotMonitored } from "./path-not-monitored.ts";
import { payloadRewritten } from "./payload-rewritten.ts";
import { repeatsNotCompared } from "./repeats-not-compared.ts";
import { segmentsImplausible } from "./segments-implausible.ts";

/** Every verdict there is, the most severe first. */
const RULES: readonly Rule[] = [
  joinHmacFailed,
  addressHmacFailed,
  fastcloseKeyWrong,
  handshakeContradicted,
  octetsDiffer,
  optionRepeated,
  mappingAmbiguous,
  checksumFailed,
  optionRewritten,
  payloadRewritten,
  optionsMalformed,
  lateFallback,
  joinUnproven,
  joinTokenUnknown,
  segmentsImplausible,
  repeatsNotCompared,
  markRewritten,
  mappingNotSeen,
  pathNotMonitored,
  copiesLost,
  boundMet,
];

/** Everything that a session's record shows and an analyst acts on, the most severe first. */
export const findingsIn = (record: SessionRecord): Finding[] => RULES.flatMap((rule) => rule(record));
