import { promisify } from "node:util";
import * as zlib from "node:zlib";
import kafkajs from "kafkajs";
import { recordSetOf } from "./carrier.ts";

const { CompressionCodecs, CompressionTypes } = kafkajs;

/** How messages may be compressed. */
export type Compression = "none" | "gzip" | "zstd";

type Work = (octets: Uint8Array) => Promise<Buffer>;

interface Codec {
  readonly compress: Work;
  readonly decompress: Work;
}

const gzip = promisify<Uint8Array, zlib.ZlibOptions, Buffer>(zlib.gzip);

/** A third of the time of zlib's usual level 6, and records become a tenth of their size instead of a twelfth. */
const GZIP_LEVEL = 1;

const GZIP: Codec = {
  compress: (octets) => gzip(octets, { level: GZIP_LEVEL }),
  decompress: promisify(zlib.gunzip) as Work,
};

/** zstd, which Node has from 22.15 on and its types know later. */
function platformZstd(): Codec | null {
  const { zstdCompress, zstdDecompress } = zlib as unknown as Record<
    string,
    Parameters<typeof promisify>[0] | undefined
  >;
  if (zstdCompress === undefined || zstdDecompress === undefined) return null;
  return { compress: promisify(zstdCompress) as Work, decompress: promisify(zstdDecompress) as Work };
}

/** Gives kafkajs a codec that puts a record set in the place of its carrier. */
function register(type: keyof typeof CompressionCodecs, { compress, decompress }: Codec): void {
  CompressionCodecs[type] = () => ({
    compress: async ({ buffer }: { buffer: Buffer }) => compress(recordSetOf(buffer)),
    decompress,
  });
}

/** Teaches kafkajs zstd where the platform has it; returns whether it does. kafkajs itself has gzip only. */
export function registerZstd(): boolean {
  const zstd = platformZstd();
  if (zstd !== null) register(CompressionTypes.ZSTD, zstd);
  return zstd !== null;
}

/** The codec that messages get, which a carrier may be one of: gzip where zstd is asked for and the platform has none. */
export function codecOf(compression: Compression): kafkajs.CompressionTypes {
  if (compression === "none") return CompressionTypes.None;
  if (compression === "zstd" && registerZstd()) return CompressionTypes.ZSTD;
  register(CompressionTypes.GZIP, GZIP);
  return CompressionTypes.GZIP;
}
