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

/**
 * Numbers of this thread that change at every turn of a hot loop. Outside of the engine's heap, at an address that does not change: V8 folds that into the
 * code, where a short array of its own making costs three more loads at each use; and it boxes the doubles, and looks at the hole of each
 * variable that a closure shares.
 */
export function cells(count: number): Int32Array {
  return new Int32Array(new ArrayBuffer(count * 4))
}

/** {@link cells} for doubles. */
export function doubleCells(count: number): Float64Array {
  return new Float64Array(new ArrayBuffer(count * 8))
}

/** {@link cells} with what `from` gives. */
export function cellsOf(from: readonly number[]): Int32Array {
  const all = cells(from.length)
  all.set(from)
  return all
}
