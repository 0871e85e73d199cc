/** The worker of raw `postMessage`: one message in, one message out, in order. Worker thread. */
import { parentPort, workerData } from 'node:worker_threads'
import { echo, spin } from '../handlers.js'
import type { HandlerName } from './pool.js'

const handlers: Record<Exclude<HandlerName, 'doze'>, (value: never) => unknown> = { echo, spin }
const handler = handlers[workerData as keyof typeof handlers] as (value: unknown) => unknown
parentPort?.on('message', (value: unknown) => parentPort?.postMessage(handler(value)))
