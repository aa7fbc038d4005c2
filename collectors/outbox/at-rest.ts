import { createCipheriv, createDecipheriv, createHmac, randomBytes } from "node:crypto";
import { OperationalError, systemWords } from "../runtime/errors.ts";
import { readRegularOctets } from "../runtime/regular-file.ts";

const KEY_OCTETS = 32;
const NONCE_OCTETS = 12;
const TAG_OCTETS = 16;

/** Encrypts what the outbox writes: AES-256-GCM, a random nonce before and the tag behind each piece. */
export class AtRest {
  private readonly key: Buffer;
  /** Tells two keys apart, and nothing else about them. */
  readonly keyId: string;

  constructor(key: Buffer) {
    this.key = key;
    this.keyId = createHmac("sha256", key).update("rejoin outbox").digest("hex").slice(0, 16);
  }

  /** Reads a key of 32 octets, raw or as 64 hexadecimal digits. Throws an `OperationalError` for anything else. */
  static fromFile(path: string): AtRest {
    let content: Buffer;
    try {
      content = readRegularOctets(path);
    } catch (error) {
      throw new OperationalError("OUTBOX_KEY", `${path}: the outbox's key cannot be read: ${systemWords(error)}`);
    }
    if (content.length === KEY_OCTETS) return new AtRest(content);
    const digits = content.toString("latin1").trim();
    if (/^[0-9a-f]{64}$/i.test(digits)) return new AtRest(Buffer.from(digits, "hex"));
    throw new OperationalError(
      "OUTBOX_KEY",
      `${path}: a key is 32 octets or 64 hexadecimal digits; make one: openssl rand -hex 32 > ${path}`,
    );
  }

  /** `octets`, encrypted; `beside` is not written, but must be the same when they are read. */
  encrypt(octets: Uint8Array, beside: Uint8Array): Uint8Array {
    const nonce = randomBytes(NONCE_OCTETS);
    const cipher = createCipheriv("aes-256-gcm", this.key, nonce).setAAD(beside);
    return Buffer.concat([nonce, cipher.update(octets), cipher.final(), cipher.getAuthTag()]);
  }

  /** The inverse of `encrypt`. Throws where anything was changed. */
  decrypt(octets: Uint8Array, beside: Uint8Array): Uint8Array {
    const decipher = createDecipheriv("aes-256-gcm", this.key, octets.subarray(0, NONCE_OCTETS), {
      authTagLength: TAG_OCTETS,
    })
      .setAAD(beside)
      .setAuthTag(octets.subarray(-TAG_OCTETS));
    return Buffer.concat([decipher.update(octets.subarray(NONCE_OCTETS, -TAG_OCTETS)), decipher.final()]);
  }
}
