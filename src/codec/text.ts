/**
 * Text as bytes: one byte per character where every character is below U+0100, else two, which are the two forms an engine
 * keeps strings in itself; so lone surrogates survive and nothing is transcoded. Any thread, on bytes it may write or read.
 *
 * Short text goes through loops, because a call into the host costs as much as 20–30 characters; the thresholds are measured
 * (docs/design/090-codec.md).
 */
import { type TextBuffer, textBufferOf } from './host.js'

/** The same bytes seen in every way the codec needs. `u8` must start at an even byte. */
export interface TextArea {
  readonly u8: Uint8Array
  readonly u16: Uint16Array
  readonly view: DataView
  readonly native: TextBuffer | undefined
}

const loopWriteMax = 32
const loopReadMax = 24
/** `String.fromCharCode` takes its characters as arguments, which lie on the stack. */
const chunkLength = 4096

export function textAreaOf(u8: Uint8Array): TextArea {
  const { buffer, byteOffset, length } = u8
  return { u8, u16: new Uint16Array(buffer, byteOffset, length >>> 1), view: new DataView(buffer, byteOffset, length), native: textBufferOf(u8) }
}

/**
 * Engines match a string kept in one byte per character with code in which this pattern cannot match, so it costs no scan;
 * a string kept in two bytes is read up to its first wide character.
 */
const wideCharacter = /[^\x00-\xff]/ // oxlint-disable-line no-control-regex

export function isLatin1(text: string): boolean {
  return !wideCharacter.test(text)
}

/** Writes `text.length` bytes and says true, if all characters are below U+0100. Else what was written means nothing. */
export function writeLatin1(area: TextArea, text: string, offset: number): boolean {
  const { u8, native } = area
  const length = text.length
  if (length > loopWriteMax && native !== undefined) {
    if (!isLatin1(text)) return false
    native.latin1Write(text, offset, length)
    return true
  }
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i)
    if (unit > 0xff) return false
    u8[offset + i] = unit
  }
  return true
}

/** Writes `2 * text.length` bytes at an even offset. */
export function writeUtf16(area: TextArea, text: string, offset: number): void {
  const { u16, native } = area
  const length = text.length
  const start = offset / 2
  if (length > loopWriteMax && native !== undefined) native.ucs2Write(text, offset, length * 2)
  else for (let i = 0; i < length; i++) u16[start + i] = text.charCodeAt(i)
}

export function readLatin1(area: TextArea, offset: number, length: number): string {
  const { u8, native } = area
  if (length <= loopReadMax) return readShort(u8, offset, length)
  return native === undefined ? readChunks(u8, offset, length) : native.latin1Slice(offset, offset + length)
}

/** `length` counts characters. */
export function readUtf16(area: TextArea, offset: number, length: number): string {
  const { u16, native } = area
  const start = offset / 2
  return native === undefined ? readChunks(u16, start, length) : native.ucs2Slice(offset, offset + length * 2)
}

function readChunks(units: Uint8Array | Uint16Array, start: number, length: number): string {
  let text = ''
  for (let from = start; from < start + length; from += chunkLength) {
    text += String.fromCharCode(...units.subarray(from, Math.min(from + chunkLength, start + length)))
  }
  return text
}

/** One call with all characters makes one flat string: half the time of adding them up, and twice as fast as the host. */
function readShort(u: Uint8Array, i: number, length: number): string {
  const of = String.fromCharCode
  switch (length) {
    case 0: return ''
    case 1: return of(u[i])
    case 2: return of(u[i], u[i + 1])
    case 3: return of(u[i], u[i + 1], u[i + 2])
    case 4: return of(u[i], u[i + 1], u[i + 2], u[i + 3])
    case 5: return of(u[i], u[i + 1], u[i + 2], u[i + 3], u[i + 4])
    case 6: return of(u[i], u[i + 1], u[i + 2], u[i + 3], u[i + 4], u[i + 5])
    case 7: return of(u[i], u[i + 1], u[i + 2], u[i + 3], u[i + 4], u[i + 5], u[i + 6])
    case 8: return of(u[i], u[i + 1], u[i + 2], u[i + 3], u[i + 4], u[i + 5], u[i + 6], u[i + 7])
    default: return length <= 16 ? readTo16(u, i, length) : readTo24(u, i, length)
  }
}

function readTo16(u: Uint8Array, i: number, length: number): string {
  const of = String.fromCharCode
  const a = u[i], b = u[i + 1], c = u[i + 2], d = u[i + 3], e = u[i + 4], f = u[i + 5], g = u[i + 6], h = u[i + 7], j = i + 8
  switch (length) {
    case 9: return of(a, b, c, d, e, f, g, h, u[j])
    case 10: return of(a, b, c, d, e, f, g, h, u[j], u[j + 1])
    case 11: return of(a, b, c, d, e, f, g, h, u[j], u[j + 1], u[j + 2])
    case 12: return of(a, b, c, d, e, f, g, h, u[j], u[j + 1], u[j + 2], u[j + 3])
    case 13: return of(a, b, c, d, e, f, g, h, u[j], u[j + 1], u[j + 2], u[j + 3], u[j + 4])
    case 14: return of(a, b, c, d, e, f, g, h, u[j], u[j + 1], u[j + 2], u[j + 3], u[j + 4], u[j + 5])
    case 15: return of(a, b, c, d, e, f, g, h, u[j], u[j + 1], u[j + 2], u[j + 3], u[j + 4], u[j + 5], u[j + 6])
    default: return of(a, b, c, d, e, f, g, h, u[j], u[j + 1], u[j + 2], u[j + 3], u[j + 4], u[j + 5], u[j + 6], u[j + 7])
  }
}

function readTo24(x: Uint8Array, y: number, length: number): string {
  const of = String.fromCharCode
  const a = x[y], b = x[y + 1], c = x[y + 2], d = x[y + 3], e = x[y + 4], f = x[y + 5], g = x[y + 6], h = x[y + 7]
  const i = x[y + 8], j = x[y + 9], k = x[y + 10], l = x[y + 11], m = x[y + 12], n = x[y + 13], o = x[y + 14], p = x[y + 15]
  const q = x[y + 16], r = x[y + 17], s = x[y + 18], t = x[y + 19], u = x[y + 20], v = x[y + 21], w = x[y + 22]
  switch (length) {
    case 17: return of(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q)
    case 18: return of(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r)
    case 19: return of(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s)
    case 20: return of(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t)
    case 21: return of(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u)
    case 22: return of(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v)
    case 23: return of(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w)
    default: return of(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x[y + 23])
  }
}
