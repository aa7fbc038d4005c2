/** Link types as capture files number them (https://www.tcpdump.org/linktypes.html); also what a live source states. */
export const LINKTYPE_NULL = 0;
export const LINKTYPE_ETHERNET = 1;
/** The number BSDs use in memory for raw IP; some files carry it. */
export const LINKTYPE_RAW_BSD_12 = 12;
export const LINKTYPE_RAW_BSD_14 = 14;
export const LINKTYPE_RAW = 101;
export const LINKTYPE_LOOP = 108;
export const LINKTYPE_LINUX_SLL = 113;
export const LINKTYPE_IPV4 = 228;
export const LINKTYPE_IPV6 = 229;
export const LINKTYPE_LINUX_SLL2 = 276;
