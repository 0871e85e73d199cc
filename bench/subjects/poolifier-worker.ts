/** The worker script of poolifier: the handlers of everybody else, by name. Worker thread. */
import { ThreadWorker } from 'poolifier'
import { doze, echo, spin } from '../handlers.js'

/** It finds the pool by itself; exported because its makers do so. */
export const worker: ThreadWorker<unknown, unknown> = new ThreadWorker({
  echo, spin: (iterations: unknown) => spin(Number(iterations)), doze: async (value: unknown) => doze(Number(value)),
})
