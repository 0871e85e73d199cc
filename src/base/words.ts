/**
 * Fixed-length views over one shared buffer. Length-tracking views are 3–30 times slower, so every view here names its
 * length. Any thread; each thread makes its own views of the same memory.
 *
 * Addresses are indices of 4-byte words, so that every pointer stays a small integer up to 8 GiB.
 */
export interface Words {
  readonly buffer: SharedArrayBuffer
  readonly i32: Int32Array
  readonly f64: Float64Array
  readonly u8: Uint8Array
}

export function wordsOf(buffer: SharedArrayBuffer): Words {
  const bytes = buffer.byteLength
  return {
    buffer,
    i32: new Int32Array(buffer, 0, Math.floor(bytes / 4)),
    f64: new Float64Array(buffer, 0, Math.floor(bytes / 8)),
    u8: new Uint8Array(buffer, 0, bytes),
  }
}
