import { promisify } from "node:util";
import * as zlib from "node:zlib";
import kafkajs from "kafkajs";

const { CompressionCodecs, CompressionTypes } = kafkajs;

/** How messages may be compressed. */
export type Compression = "none" | "gzip" | "zstd";

type Work = (octets: Uint8Array) => Promise<Buffer>;

/** zstd, which Node has from 22.15 on and its types know later. */
function platformZstd(): { compress: Work; decompress: Work } | null {
  const { zstdCompress, zstdDecompress } = zlib as unknown as Record<
    string,
    Parameters<typeof promisify>[0] | undefined
  >;
  if (zstdCompress === undefined || zstdDecompress === undefined) return null;
  return { compress: promisify(zstdCompress) as Work, decompress: promisify(zstdDecompress) as Work };
}

/** Teaches kafkajs zstd where the platform has it; returns whether it does. kafkajs itself has gzip only. */
export function registerZstd(): boolean {
  const zstd = platformZstd();
  if (zstd === null) return false;
  CompressionCodecs[CompressionTypes.ZSTD] = () => ({
    compress: ({ buffer }: { buffer: Buffer }) => zstd.compress(buffer),
    decompress: (octets: Buffer) => zstd.decompress(octets),
  });
  return true;
}

/** The codec that messages get: gzip where zstd is asked for and the platform has none. */
export function codecOf(compression: Compression): kafkajs.CompressionTypes {
  if (compression === "none") return CompressionTypes.None;
  return compression === "zstd" && registerZstd() ? CompressionTypes.ZSTD : CompressionTypes.GZIP;
}
