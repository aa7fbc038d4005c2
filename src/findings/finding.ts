import type { FindingKind } from "../../schema/finding-vocabulary.ts";
import type { SessionRecord } from "../../schema/session-record.ts";
import type { SIDES } from "../../schema/session-vocabulary.ts";

/** Something that a session's record shows and an analyst acts on. */
export interface Finding {
  readonly kind: FindingKind;
  /**
   * What tells it from other findings of its kind about the same subflow or session, for its id; "" when there can be one
   * only.
   */
  readonly subject: string;
  /** `id` of the subflow it is about, null when it is about the session. */
  readonly subflow: number | null;
  readonly side: (typeof SIDES)[number] | null;
  /** In a sentence for a person. */
  readonly message: string;
}

/** One verdict: all findings of its kind that a session's record shows. */
export type Rule = (record: SessionRecord) => Finding[];
