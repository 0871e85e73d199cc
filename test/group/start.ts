/** A group of the test handlers. */
import { ExecGroup, type ExecGroupOptions } from '../../src/index.js'
import type { TestHandlers } from './handlers.js'

export const handlersUrl: URL = new URL('./handlers.js', import.meta.url)

export function startGroup(options: ExecGroupOptions = {}): Promise<ExecGroup<TestHandlers>> {
  return ExecGroup.start<TestHandlers>(handlersUrl, { workers: 2, memoryBytes: 256 * 2 ** 20, ...options })
}
