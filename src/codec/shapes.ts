/**
 * The writer's memory of object shapes: a tree whose paths are key sequences, so that finding an object's shape costs one
 * comparison per key as long as objects look alike; and the sheet on which it shares the shapes that it sees often. One thread.
 *
 * The invariants: a node's keys, from the root, are exactly its shape's keys in order; what was once written to a sheet is never
 * changed, so that an address says the same for as long as the memory exists.
 *
 * ```
 *  writer                                                  whoever reads the message
 *    the shape's bytes, behind all that is counted
 *    S1: the count                      ──▶ S2 of its successor
 *    its address into the message
 *    P1: the lane's tail                ─────────────────▶   C1, then the shape at its address
 *
 *  successor, once the thread before has been joined
 *    S2: the count, then the shapes it covers
 * ```
 *
 * All but P1 and C1 (ring/lanes.ts) are plain. A reader never looks at the count: it comes only to what a message names.
 */
import { alignUp } from '../base/index.js'
import { head, longCount, shapeKeysMax, textHeads } from './plain-layout.js'
import { isLatin1 } from './text.js'

/** A key sequence seen before, and its extensions. */
export interface ShapeNode {
  readonly keys: readonly string[]
  /** The last key that followed, and where it led. */
  nextKey: string | undefined
  next: ShapeNode | undefined
  others: Map<string, ShapeNode> | undefined
  /** Its address, once it is shared; 0 before. */
  ref: number
  uses: number
  /** Hash, length and keys, ready to be copied into a message or onto the sheet; made when an object first ends here. */
  bytes: Uint8Array | undefined
  /** The message this shape was last written to, and its place in it. */
  message: number
  index: number
}

/**
 * The words in which a thread shares its shapes, all zero at first, at an even word index. Only one thread at a time writes there: a
 * successor carries on where its predecessor stopped.
 */
export interface ShapeSheet {
  readonly at: number
  readonly bytes: number
}

/** A node with more different followers than this has dynamic keys, which are not worth remembering. */
const followersMax = 64
const nodesMax = 4096
/** After so many keys that were not remembered, what is remembered is not what comes. */
const refusalsMax = 1024

/** A shape met for the so many-th time is shared: dynamic keys are mostly met once. */
export const shareAfterUses = 4
/** A longer shape travels in its messages, which are long themselves. */
export const sharedShapeBytesMax = 2048
/** In front of a sheet's shapes: the bytes used, this included. */
const sheetHeaderBytes = 8

export interface ShapeTree {
  root(): ShapeNode
  /** The node for one more key, or undefined where keys are not to be remembered. */
  follow(node: ShapeNode, key: string): ShapeNode | undefined
  /** The address of the shape, shared now if it is time to; 0 if it has to travel. */
  share(node: ShapeNode): number
}

export function createShapeTree(i32: Int32Array, u8: Uint8Array, sheet: ShapeSheet | undefined): ShapeTree {
  let nodeCount = 0
  let refusals = 0
  let root = nodeOf([])
  const shared = new Map<string, number>()
  if (sheet !== undefined) inherit(sheet)

  function nodeOf(keys: readonly string[]): ShapeNode {
    nodeCount++
    return { keys, nextKey: undefined, next: undefined, others: undefined, ref: 0, uses: 0, bytes: undefined, message: 0, index: 0 }
  }

  function inherit({ at }: ShapeSheet): void {
    for (let from = sheetHeaderBytes; from < i32[at]!;) { // S2
      const ref = at + from / 4
      const size = 8 + i32[ref + 1]!
      shared.set(nameOf(u8.subarray(ref * 4, ref * 4 + size)), ref)
      from += alignUp(size, 8)
    }
  }

  function share(node: ShapeNode): number {
    if (sheet === undefined || ++node.uses < shareAfterUses) return 0
    const bytes = node.bytes ??= shapeBytes(node.keys)
    const name = nameOf(bytes) // a tree grown anew, or a successor, meets shapes that were shared before
    const known = shared.get(name)
    if (known !== undefined) return node.ref = known
    const from = i32[sheet.at]! || sheetHeaderBytes
    const end = from + alignUp(bytes.length, 8)
    if (bytes.length > sharedShapeBytesMax || end > sheet.bytes) {
      node.uses = -(2 ** 30) // no use in asking again soon
      return 0
    }
    u8.set(bytes, sheet.at * 4 + from)
    i32[sheet.at] = end // S1: who dies before this has shared nothing; no message has named it yet
    node.ref = sheet.at + from / 4
    shared.set(name, node.ref)
    return node.ref
  }

  return {
    root() {
      if (nodeCount > nodesMax || refusals > refusalsMax) {
        nodeCount = 0
        refusals = 0
        root = nodeOf([]) // the data has changed too much: learn anew
      }
      return root
    },
    follow(node, key) {
      const others = node.others ??= new Map<string, ShapeNode>()
      let next = others.get(key)
      if (next === undefined) {
        if (others.size === followersMax || node.keys.length === shapeKeysMax || nodeCount > nodesMax) {
          refusals++
          return undefined
        }
        others.set(key, next = nodeOf([...node.keys, key]))
      }
      node.nextKey = key
      node.next = next
      return next
    },
    share,
  }
}

/** The bytes that name a shape: see plain-layout.ts. */
export function shapeBytes(keys: readonly string[]): Uint8Array {
  const bytes: number[] = []
  const four = (n: number): number => bytes.push(n & 255, n >>> 8 & 255, n >>> 16 & 255, n >>> 24)
  four(0)
  four(0)
  for (const key of keys) {
    const narrow = isLatin1(key)
    if (!narrow || key.length >= textHeads) {
      bytes.push(narrow ? head.longText : head.wideText)
      if (key.length < longCount) bytes.push(key.length)
      else {
        bytes.push(longCount)
        four(key.length)
      }
    } else bytes.push(head.text + key.length)
    if (!narrow && bytes.length % 2 === 1) bytes.push(0)
    for (let i = 0; i < key.length; i++) {
      const unit = key.charCodeAt(i)
      bytes.push(unit & 255)
      if (!narrow) bytes.push(unit >>> 8)
    }
  }
  const whole = Uint8Array.from(bytes)
  const view = new DataView(whole.buffer)
  view.setInt32(0, hashBytes(whole, 8), true)
  view.setInt32(4, whole.length - 8, true)
  return whole
}

function nameOf(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes.subarray(0, sharedShapeBytesMax))
}

/** FNV-1a, with a final mix. Equal hashes are compared in full, so it need only be spread well. */
function hashBytes(bytes: Uint8Array, from: number): number {
  let hash = 0x811c9dc5
  for (let i = from; i < bytes.length; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193)
  return hash ^ hash >>> 15
}
