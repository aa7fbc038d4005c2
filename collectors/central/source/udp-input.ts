/** A bound UDP socket whose datagrams go to the pipeline, each behind the delivery header it came with. */
export interface UdpInput {
  /** Where it is bound. */
  readonly port: number;
  /** Number of its file descriptor; null where that is not known. */
  readonly fd: number | null;
  /** Packets handed over, and their octets, headers included. */
  readonly packets: number;
  readonly octets: number;
  /** Asks the kernel to queue so many octets; returns what it granted. */
  setReceiveBuffer(octets: number): number;
  /** Gives the socket back, and hands over what was read and not yet handed over. */
  close(): Promise<void>;
}

/** What is bound: an address and a port, 0 for any. Bind errors are Errors with the `code` of the system call. */
export interface UdpAddress {
  readonly host: string;
  readonly port: number;
}
