/**
 * The writer's memory of object shapes: a tree whose paths are key sequences, so that finding an object's shape costs one
 * comparison per key as long as objects look alike. One thread. The invariant: a node's keys, from the root, are exactly its
 * shape's keys in order.
 */
import { plain, shapeKeysMax, typeBits } from './plain-layout.js'
import { isLatin1 } from './text.js'

/** A key sequence seen before, and its extensions. */
export interface ShapeNode {
  readonly keys: readonly string[]
  /** The last key that followed, and where it led. */
  nextKey: string | undefined
  next: ShapeNode | undefined
  others: Map<string, ShapeNode> | undefined
  /** Hash, word count and keys, ready to be copied into a message; made when an object first ends here. */
  words: Int32Array | undefined
  /** The message this shape was last written to, and its place in it. */
  message: number
  index: number
}

/** A node with more different followers than this has dynamic keys, which are not worth remembering. */
const followersMax = 64
const nodesMax = 4096

export interface ShapeTree {
  root(): ShapeNode
  /** The node for one more key, or undefined where keys are not to be remembered. */
  follow(node: ShapeNode, key: string): ShapeNode | undefined
}

export function createShapeTree(): ShapeTree {
  let nodeCount = 0
  let root = nodeOf([])

  function nodeOf(keys: readonly string[]): ShapeNode {
    nodeCount++
    return { keys, nextKey: undefined, next: undefined, others: undefined, words: undefined, message: 0, index: 0 }
  }

  return {
    root() {
      if (nodeCount > nodesMax) {
        nodeCount = 0
        root = nodeOf([]) // the data has changed too much: learn anew
      }
      return root
    },
    follow(node, key) {
      const others = node.others ??= new Map<string, ShapeNode>()
      let next = others.get(key)
      if (next === undefined) {
        if (others.size === followersMax || node.keys.length === shapeKeysMax || nodeCount > nodesMax) return undefined
        others.set(key, next = nodeOf([...node.keys, key]))
      }
      node.nextKey = key
      node.next = next
      return next
    },
  }
}

/** The words that name a shape in a message. */
export function shapeWords(keys: readonly string[]): Int32Array {
  const words = [0, 0]
  for (const key of keys) {
    const perWord = isLatin1(key) ? 4 : 2
    words.push((perWord === 4 ? plain.latin1 : plain.utf16) | key.length << typeBits)
    for (let from = 0; from < key.length; from += perWord) {
      let word = 0
      for (let i = 0; i < perWord && from + i < key.length; i++) word |= key.charCodeAt(from + i) << (32 / perWord * i)
      words.push(word)
    }
  }
  words[0] = hashWords(words, 2)
  words[1] = words.length - 2
  return Int32Array.from(words)
}

/** FNV-1a over words, with a final mix. Equal hashes are compared in full, so it need only be spread well. */
function hashWords(words: readonly number[], from: number): number {
  let hash = 0x811c9dc5
  for (let i = from; i < words.length; i++) hash = Math.imul(hash ^ words[i]!, 0x01000193) ^ hash >>> 15
  return hash | 0
}
