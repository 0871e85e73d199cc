export { type Codec, type CodecOptions, createCodec } from './codec.js'
export type { StructuredFormat } from './host.js'
export { type CodecHeap, SharedBlock } from './shared-block.js'
export { blockBit, inlineBytes, isError, kind, kindMask, thrownBit } from './tags.js'
