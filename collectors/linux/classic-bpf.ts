import { endianness } from "node:os";

/** Instruction classes, sizes, modes and operations (linux/bpf_common.h, linux/filter.h). */
export const LD_WORD_AT_X = 0x40; // A = 32 bits at X + k
export const LD_HALF_AT_X = 0x48;
export const LD_OCTET_AT_X = 0x50;
export const LD_HALF = 0x28; // A = 16 bits at k
export const LD_NUMBER = 0x00;
export const LD_MEMORY = 0x60;
export const LDX_NUMBER = 0x01;
export const LDX_MEMORY = 0x61;
export const ST_MEMORY = 0x02;
export const STX_MEMORY = 0x03;
export const ADD_X = 0x0c;
export const ADD_NUMBER = 0x04;
export const MUL_NUMBER = 0x24;
export const AND_NUMBER = 0x54;
export const LSH_NUMBER = 0x64;
export const RSH_NUMBER = 0x74;
export const RSH_X = 0x7c;
export const XOR_X = 0xac;
export const TAX = 0x07;
export const TXA = 0x87;
const JUMP = 0x05;
export const JUMP_EQUAL = 0x15;
export const JUMP_ABOVE = 0x25;
export const JUMP_ABOVE_X = 0x2d;
export const JUMP_LEAST = 0x35; // A >= k
export const JUMP_ANY_BIT = 0x45;
export const RETURN = 0x06;

/** Octets of a `struct sock_filter`: code, two distances of a conditional jump, and a number. */
export const INSTRUCTION_OCTETS = 8;
/** The kernel takes no longer program (BPF_MAXINSNS). */
const MAX_INSTRUCTIONS = 4096;
/** The longest conditional jump; a longer one goes by way of unconditional ones. */
const LONGEST_JUMP = 255;

/** A place in a program; equal to itself alone. */
export type Label = symbol;

interface Instruction {
  readonly code: number;
  readonly k: number;
  /** Of jumps: where to; null is the next instruction. Both are the same for an unconditional one. */
  readonly yes: Label | null;
  readonly no: Label | null;
}

/**
 * Puts a program of classic BPF together (bpf(4), Documentation/networking/filter.rst). Jumps go forward, to labels; the
 * assembler knows which are too long for one instruction.
 */
export class BpfAssembler {
  private readonly instructions: Instruction[] = [];
  /** Instructions that stand before a label. */
  private readonly places = new Map<Label, number>();

  /** Adds an instruction that is no jump. */
  add(code: number, k = 0): void {
    this.instructions.push({ code, k, yes: null, no: null });
  }

  /** Adds a conditional jump; null goes on with the next instruction. */
  test(code: number, k: number, yes: Label | null, no: Label | null = null): void {
    this.instructions.push({ code, k, yes, no });
  }

  goto(label: Label): void {
    this.instructions.push({ code: JUMP, k: 0, yes: label, no: label });
  }

  /** Names the next instruction. */
  place(label: Label): void {
    this.places.set(label, this.instructions.length);
  }

  /**
   * The program as the kernel takes it: an array of `struct sock_filter` in the machine's octet order. Throws, which is our
   * own bug, where a jump goes back or to a label without a place; null when the program is longer than the kernel takes.
   */
  assemble(): Uint8Array<ArrayBuffer> | null {
    const { instructions } = this;
    const isLong = new Uint8Array(instructions.length);
    // A jump that has become long makes others longer, until none becomes so any more.
    let at = this.layOut(isLong);
    for (let grew = true; grew; ) {
      grew = false;
      instructions.forEach((instruction, i) => {
        const isShort = isLong[i] === 0 && instruction.code !== JUMP;
        if (!isShort || this.distance(at, isLong, i, instruction) <= LONGEST_JUMP) return;
        isLong[i] = 1;
        grew = true;
      });
      if (grew) at = this.layOut(isLong);
    }
    const count = at[instructions.length] ?? 0;
    if (count > MAX_INSTRUCTIONS) return null;
    const octets = new Uint8Array(count * INSTRUCTION_OCTETS);
    const view = new DataView(octets.buffer);
    instructions.forEach((instruction, i) => {
      this.encode(view, at, isLong, i, instruction);
    });
    return octets;
  }

  /** Where each instruction begins, and behind them where the program ends. */
  private layOut(isLong: Uint8Array): Uint32Array {
    const at = new Uint32Array(isLong.length + 1);
    for (let i = 0; i < isLong.length; i++) at[i + 1] = (at[i] ?? 0) + (isLong[i] === 1 ? 3 : 1);
    return at;
  }

  /** The place a label names, null being the instruction behind number i. */
  private target(at: Uint32Array, i: number, label: Label | null): number {
    const place = label === null ? i + 1 : this.places.get(label);
    if (place === undefined || place <= i) throw new Error(`a jump goes to no place behind it: ${String(label)}`);
    return at[place] ?? 0;
  }

  private distance(at: Uint32Array, isLong: Uint8Array, i: number, { yes, no }: Instruction): number {
    if (yes === null && no === null) return 0;
    const next = (at[i] ?? 0) + (isLong[i] === 1 ? 3 : 1);
    return Math.max(this.target(at, i, yes), this.target(at, i, no)) - next;
  }

  private encode(view: DataView, at: Uint32Array, isLong: Uint8Array, i: number, instruction: Instruction): void {
    const { code, k, yes, no } = instruction;
    const place = at[i] ?? 0;
    if (yes === null && no === null) put(view, place, code, 0, 0, k);
    else if (code === JUMP) put(view, place, JUMP, 0, 0, this.target(at, i, yes) - place - 1);
    else if (isLong[i] === 1) {
      put(view, place, code, 0, 1, k);
      put(view, place + 1, JUMP, 0, 0, this.target(at, i, yes) - place - 2);
      put(view, place + 2, JUMP, 0, 0, this.target(at, i, no) - place - 3);
    } else put(view, place, code, this.target(at, i, yes) - place - 1, this.target(at, i, no) - place - 1, k);
  }
}

const IS_LITTLE_ENDIAN = endianness() === "LE";

function put(view: DataView, place: number, code: number, yes: number, no: number, k: number): void {
  const at = place * INSTRUCTION_OCTETS;
  view.setUint16(at, code, IS_LITTLE_ENDIAN);
  view.setUint8(at + 2, yes);
  view.setUint8(at + 3, no);
  view.setUint32(at + 4, k, IS_LITTLE_ENDIAN);
}
