;; What TypeScript does slowly with octets: copying, and the sum under checksums. Both work inside the memory of an
;; OctetRing. test/octets/kernel.test.ts assembles this file into kernel-binary.ts (`npm run kernel`), and holds it against
;; the plain form in kernel.ts.
(module
  (import "arena" "memory" (memory 1 65536))

  ;; Copies `length` octets.
  (func (export "copy") (param $to i32) (param $from i32) (param $length i32)
    (memory.copy (local.get $to) (local.get $from) (local.get $length)))

  ;; The ones-complement sum of `length` octets, at most 2^19, as 16-bit words in network order, folded to 16 bits; a last
  ;; odd octet is the high half of a word. Sums words in the machine's order and swaps the result's octets: RFC 1071 §2 (B).
  (func (export "sum") (param $at i32) (param $length i32) (result i32)
    (local $a v128) (local $b v128) (local $end i32) (local $sum i32)
    ;; Pairs of words add up in eight lanes, 32 octets at a time.
    (local.set $end (i32.add (local.get $at) (i32.and (local.get $length) (i32.const -32))))
    (block $summed
      (loop $more
        (br_if $summed (i32.ge_u (local.get $at) (local.get $end)))
        (local.set $a (i32x4.add (local.get $a) (i32x4.extadd_pairwise_i16x8_u
          (v128.load align=1 (local.get $at)))))
        (local.set $b (i32x4.add (local.get $b) (i32x4.extadd_pairwise_i16x8_u
          (v128.load offset=16 align=1 (local.get $at)))))
        (local.set $at (i32.add (local.get $at) (i32.const 32)))
        (br $more)))
    (local.set $a (i32x4.add (local.get $a) (local.get $b)))
    (local.set $sum (call $folded (i32x4.extract_lane 0 (local.get $a))))
    (local.set $sum (i32.add (local.get $sum) (call $folded (i32x4.extract_lane 1 (local.get $a)))))
    (local.set $sum (i32.add (local.get $sum) (call $folded (i32x4.extract_lane 2 (local.get $a)))))
    (local.set $sum (i32.add (local.get $sum) (call $folded (i32x4.extract_lane 3 (local.get $a)))))
    ;; What is left: fewer than 16 words, and an odd octet.
    (local.set $end (i32.add (local.get $end) (i32.and (local.get $length) (i32.const 30))))
    (block $summed
      (loop $more
        (br_if $summed (i32.ge_u (local.get $at) (local.get $end)))
        (local.set $sum (i32.add (local.get $sum) (i32.load16_u align=1 (local.get $at))))
        (local.set $at (i32.add (local.get $at) (i32.const 2)))
        (br $more)))
    (if (i32.and (local.get $length) (i32.const 1))
      (then (local.set $sum (i32.add (local.get $sum) (i32.load8_u (local.get $at))))))
    (local.set $sum (call $folded (local.get $sum)))
    (i32.or
      (i32.shl (i32.and (local.get $sum) (i32.const 0xff)) (i32.const 8))
      (i32.shr_u (local.get $sum) (i32.const 8))))

  ;; Carries of a sum below 2^32 added back until 16 bits are left.
  (func $folded (param $sum i32) (result i32)
    (local.set $sum (i32.add
      (i32.and (local.get $sum) (i32.const 0xffff))
      (i32.shr_u (local.get $sum) (i32.const 16))))
    (i32.add
      (i32.and (local.get $sum) (i32.const 0xffff))
      (i32.shr_u (local.get $sum) (i32.const 16)))))
