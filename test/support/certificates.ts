import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const KEY = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

/** Files of a certificate that an `Authority` has signed, PEM. */
export interface Issued {
  readonly certificateFile: string;
  readonly keyFile: string;
  /** Both in one file, key first, as Kafka reads a key store. */
  readonly bundleFile: string;
}

/** A certificate authority of a test's own, made by openssl in a directory. */
export class Authority {
  private readonly directory: string;
  private readonly keyFile: string;
  /** Its own certificate, PEM. */
  readonly caFile: string;

  /** `name` tells it and its files from others in the directory. */
  constructor(directory: string, name: string) {
    this.directory = directory;
    this.keyFile = join(directory, `${name}.key`);
    this.caFile = join(directory, `${name}.crt`);
    const subject = ["-x509", "-days", "30", "-subj", `/CN=${name}`];
    openssl(...KEY, ...subject, "-keyout", this.keyFile, "-out", this.caFile);
  }

  /** A certificate for a name; `alternatives` such as `DNS:kafka.test`. With days below 0 it has expired. */
  issue(name: string, { alternatives = "IP:127.0.0.1,DNS:localhost", days = 30 } = {}): Issued {
    const [keyFile, certificateFile, bundleFile, request, extensions] = ["key", "crt", "pem", "csr", "ext"].map(
      (ending) => join(this.directory, `${name}.${ending}`),
    ) as [string, string, string, string, string];
    writeFileSync(extensions, `subjectAltName=${alternatives}\n`);
    openssl(...KEY, "-subj", `/CN=${name}`, "-keyout", keyFile, "-out", request);
    const sign = ["-CA", this.caFile, "-CAkey", this.keyFile, "-CAcreateserial", "-extfile", extensions];
    openssl("x509", "-req", "-days", String(days), "-in", request, "-out", certificateFile, ...sign);
    writeFileSync(bundleFile, readFileSync(keyFile, "utf8") + readFileSync(certificateFile, "utf8"));
    return { certificateFile, keyFile, bundleFile };
  }
}

function openssl(...args: readonly string[]): void {
  execFileSync("openssl", args, { stdio: "ignore" });
}
