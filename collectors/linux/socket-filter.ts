import { BpfAssembler, INSTRUCTION_OCTETS, RETURN } from "./classic-bpf.ts";
import { FAILED, type Libc } from "./libc.ts";
import { SO_ATTACH_FILTER, SOL_SOCKET } from "./socket-options.ts";

/**
 * Lets a socket receive only what a program of classic BPF passes; an earlier program is replaced at once, without a
 * packet in between. Returns null, or the name of the error: ENOMEM where net.core.optmem_max is too small for it.
 */
export function attachFilter(libc: Libc, fd: number, program: Uint8Array): string | null {
  const memory = libc.map(null, program.length);
  if (memory === null) return libc.errorName();
  try {
    new Uint8Array(memory.buffer).set(program);
    // struct sock_fprog: how many instructions, and where they are, aligned as a pointer.
    const octets = new Uint8Array(libc.pointerOctets * 2);
    new Uint16Array(octets.buffer)[0] = program.length / INSTRUCTION_OCTETS;
    if (libc.pointerOctets === 8) new BigUint64Array(octets.buffer)[1] = memory.address;
    else new Uint32Array(octets.buffer)[1] = Number(memory.address);
    const result = libc.setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, octets, octets.length);
    return result === FAILED ? libc.errorName() : null;
  } finally {
    libc.unmap(memory);
  }
}

/** Lets a socket receive nothing: what comes for it is dropped before it takes room. Returns as `attachFilter` does. */
export function receiveNothing(libc: Libc, fd: number): string | null {
  const program = new BpfAssembler();
  program.add(RETURN, 0);
  return attachFilter(libc, fd, program.assemble() ?? new Uint8Array(0));
}
