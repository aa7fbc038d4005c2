import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { isIPv6 } from "node:net";
import { PROTOCOL_UDP } from "../../../src/wire/ipv4.ts";
import { Arrivals, type TakeVector } from "./arrivals.ts";
import { DeliveryHeaders } from "./delivery-header.ts";
import type { UdpAddress, UdpInput } from "./udp-input.ts";

/** A socket of Node's, which reads one datagram at a time: where there are no batches to be had. */
export class SingleDatagrams implements UdpInput {
  readonly port: number;
  readonly fd = null;
  private readonly socket: Socket;
  private readonly arrivals: Arrivals;
  private readonly headers: DeliveryHeaders;

  private constructor(socket: Socket, arrivals: Arrivals, port: number, onError: (what: string) => void) {
    this.socket = socket;
    this.arrivals = arrivals;
    this.headers = new DeliveryHeaders(PROTOCOL_UDP, port);
    this.port = socket.address().port;
    socket.on("message", (datagram: Buffer, { address, port }: RemoteInfo) => {
      const sender = this.headers.of(address, port, datagram.length);
      this.arrivals.add(sender.header, datagram, sender.linkType);
    });
    socket.on("error", (error) => onError(error.message));
  }

  /** `deliveryPort` is the destination port that delivery headers have. Rejects with the error of the bind. */
  static async open(
    address: UdpAddress,
    deliveryPort: number,
    take: TakeVector,
    source: number,
    onError: (what: string) => void,
  ): Promise<SingleDatagrams> {
    const socket = await bindUdp(address, true);
    return new SingleDatagrams(socket, new Arrivals(take, source), deliveryPort, onError);
  }

  get packets(): number {
    return this.arrivals.packets;
  }

  get octets(): number {
    return this.arrivals.octets;
  }

  setReceiveBuffer(octets: number): number {
    this.socket.setRecvBufferSize(octets);
    // Linux doubles what it is asked for, to have room for its own bookkeeping, and says the double.
    return Math.floor(this.socket.getRecvBufferSize() / 2);
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => this.socket.close(resolve));
    this.arrivals.flush();
  }
}

/** A bound socket of Node's; `shared` sets SO_REUSEADDR. Rejects with the error of the bind. */
export async function bindUdp({ host, port }: UdpAddress, shared: boolean): Promise<Socket> {
  const socket = createSocket({ type: isIPv6(host) ? "udp6" : "udp4", reuseAddr: shared });
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.bind({ address: host, port, exclusive: true }, () => {
        socket.off("error", reject);
        resolve();
      });
    });
  } catch (error) {
    socket.close();
    throw error;
  }
  return socket;
}
