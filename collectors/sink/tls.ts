import { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import type { ConnectionOptions, SecureVersion } from "node:tls";
import { readRegularOctets } from "../runtime/regular-file.ts";

/** TLS to a sink. Files are read for each connection: whoever replaces them need not restart anything. */
export interface SinkTls {
  /** PEM; null: the authorities that Node trusts. */
  readonly caFile: string | null;
  /** Of this client; null: it has none. */
  readonly certificateFile: string | null;
  readonly keyFile: string | null;
  /** Name that the other side's certificate must have; null: the host's that is connected to. */
  readonly serverName: string | null;
  readonly minVersion: SecureVersion;
}

/** What `node:tls` needs to connect. Throws where a file cannot be read, as `readRegularOctets`. */
export function tlsOptions(host: string, port: number, tls: SinkTls): ConnectionOptions {
  const file = (path: string | null) => (path === null ? undefined : readRegularOctets(path));
  const [ca, cert, key] = [file(tls.caFile), file(tls.certificateFile), file(tls.keyFile)];
  const name = tls.serverName ?? host;
  return {
    host,
    port,
    minVersion: tls.minVersion,
    // A server name is never an address (RFC 6066 §3); the certificate is held against the host then.
    ...(isIP(name) === 0 ? { servername: name } : {}),
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
}

/** Until when the first certificate of a PEM file is valid, in milliseconds since 1970. Throws where it has none. */
export function validUntilMs(certificateFile: string): number {
  return Date.parse(new X509Certificate(readRegularOctets(certificateFile)).validTo);
}

/** A day, `2026-11-26`. */
export const dateOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10);
