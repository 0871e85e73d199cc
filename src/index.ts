/** percore: a thread-per-core runtime for JavaScript. What a program imports. */
export { type ErrorCode, errorCodes, PercoreError } from './base/index.js'
