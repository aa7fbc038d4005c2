/** Level and names of socket options of every kind of socket, by their numbers in Linux: socket(7). */
export const SOL_SOCKET = 1;
export const SO_REUSEADDR = 2;
export const SO_ERROR = 4;
export const SO_SNDBUF = 7;
export const SO_RCVBUF = 8;
export const SO_ATTACH_FILTER = 26;
export const SO_RCVBUFFORCE = 33;
export const SO_TIMESTAMPNS = 35;

/** Level and names of options of UDP sockets: udp(7), linux/udp.h. */
export const SOL_UDP = 17;
/** Take datagrams over IPv6 whose checksum is 0. */
export const UDP_NO_CHECK6_RX = 102;
/** Send octets as datagrams of a length, which are cut off as late as can be. */
export const UDP_SEGMENT = 103;
