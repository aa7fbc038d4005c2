import { randomUUID } from "node:crypto";
import { closeSync, fdatasync, fdatasyncSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { z } from "zod";
import { emptyAccount } from "./account.ts";

const counts = z.record(z.string(), z.number().int().min(0));

const ledgerState = z.object({
  /** Names this outbox; a sink that remembers a position remembers it of this id. */
  id: z.string(),
  /** Of the key that segments are encrypted with; null: they are not. */
  keyId: z.string().nullable(),
  /** Sequence number of the next record. */
  next: z.number().int().min(0),
  /** Records below this one need nothing more. */
  settled: z.number().int().min(0),
  /** The segment that was shed last: it is counted, though its file may still be there. */
  removing: z.string().nullable(),
  /** Damaged segments that could not be renamed, and shed ones that could not be deleted, the newest last: counted, too. */
  lingering: z.array(z.string()).default([]),
  /** Records of the outbox's whole life: made = acknowledged + stored + the sum of shed. */
  made: z.number().int().min(0),
  acknowledged: z.number().int().min(0),
  stored: counts,
  /** By `reason/class`. */
  shed: counts,
  /** The part of `shed` that a gap record has told. */
  told: counts,
  /** When it did, in milliseconds since 1970. */
  toldAtMs: z.number(),
  /** Milliseconds that the outbox was open, all its processes together. */
  clockMs: z.number().min(0),
});

/** What an outbox has counted since it was made: an `AccountState`, and where it stands. */
export type LedgerState = z.infer<typeof ledgerState>;

/** Each slot is a part of the file that was there from the beginning: writing it needs no room on the disk. */
const SLOT_OCTETS = 8192;
const SLOT_HEADER_OCTETS = 16;

/** A ledger that nothing was entered in. */
export const emptyLedger = (keyId: string | null): LedgerState => ({
  id: randomUUID(),
  keyId,
  next: 0,
  settled: 0,
  removing: null,
  lingering: [],
  ...emptyAccount(),
  clockMs: 0,
});

/**
 * The file `ledger` of an outbox: two slots, written in turn, each with its generation and CRC-32. A process that ends
 * while it writes one leaves the other.
 */
export class Ledger {
  private readonly fd: number;
  private generation = 0;

  private constructor(fd: number) {
    this.fd = fd;
  }

  /**
   * Opens or makes the ledger of a directory. `state` is null where there was none, or none that can be read: that one
   * is renamed to `ledger.damaged`. Throws the file system's error.
   */
  static open(directory: string): { ledger: Ledger; state: LedgerState | null; isDamaged: boolean } {
    const path = join(directory, "ledger");
    let octets: Buffer | null = null;
    try {
      octets = readFileSync(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
    const slots = octets === null ? [] : [slotOf(octets, 0), slotOf(octets, 1)];
    const newest = slots.reduce(
      (best, slot) => ((slot?.generation ?? -1) > (best?.generation ?? -1) ? slot : best),
      null,
    );
    // All zeros: the process that made it ended before the first entry.
    const isDamaged = octets?.some((octet) => octet !== 0) === true && newest == null;
    if (isDamaged) renameSync(path, `${path}.damaged`);
    const isNew = octets === null || isDamaged || octets.length < 2 * SLOT_OCTETS;
    const fd = openSync(path, isNew ? "w+" : "r+", 0o600);
    if (isNew) writeSync(fd, Buffer.alloc(2 * SLOT_OCTETS), 0, 2 * SLOT_OCTETS, 0);
    const ledger = new Ledger(fd);
    ledger.generation = newest?.generation ?? 0;
    return { ledger, state: newest?.state ?? null, isDamaged };
  }

  /** Hands the state to the operating system, which has it whatever becomes of this process. Throws its error. */
  write(state: LedgerState): void {
    const text = Buffer.from(JSON.stringify(state));
    if (SLOT_HEADER_OCTETS + text.length > SLOT_OCTETS) throw new Error("the ledger has outgrown its slot");
    this.generation += 1;
    const slot = Buffer.alloc(SLOT_OCTETS);
    slot.writeUInt32BE(text.length, 4);
    slot.writeDoubleBE(this.generation, 8);
    text.copy(slot, SLOT_HEADER_OCTETS);
    slot.writeUInt32BE(crc32(slot.subarray(4)), 0);
    writeSync(this.fd, slot, 0, SLOT_OCTETS, (this.generation % 2) * SLOT_OCTETS);
  }

  /** Asks the disk for what was written. */
  sync(done: (error: Error | null) => void): void {
    fdatasync(this.fd, done);
  }

  /** The same, at once: before what the ledger no longer counts is deleted. Throws the file system's error. */
  syncNow(): void {
    fdatasyncSync(this.fd);
  }

  close(): void {
    closeSync(this.fd);
  }
}

function slotOf(octets: Buffer, n: number): { generation: number; state: LedgerState } | null {
  const slot = octets.subarray(n * SLOT_OCTETS, (n + 1) * SLOT_OCTETS);
  if (slot.length < SLOT_OCTETS || slot.readUInt32BE(0) !== crc32(slot.subarray(4))) return null;
  const length = slot.readUInt32BE(4);
  if (length === 0 || SLOT_HEADER_OCTETS + length > SLOT_OCTETS) return null;
  try {
    const text = slot.subarray(SLOT_HEADER_OCTETS, SLOT_HEADER_OCTETS + length).toString("utf8");
    const parsed = ledgerState.safeParse(JSON.parse(text));
    return parsed.success ? { generation: slot.readDoubleBE(8), state: parsed.data } : null;
  } catch {
    return null;
  }
}
