/**
 * A bench for the tests of the harness: one contender is well, the others fail in every way a child can fail. The parent plans it,
 * the child measures it.
 *
 * The invariant: the healthy contender's figure is its run's constant, so nothing depends on timing.
 */
import type { Bench } from '../../bench/index.js'

export const bench: Bench = {
  name: 'fixture',
  summary: 'one contender is well, the others are not',
  module: import.meta.url,
  contenders: [
    { subject: 'percore' },
    { subject: 'well', params: { batch: 7 } },
    { subject: 'throws' },
    { subject: 'exits' },
    { subject: 'hangs' },
    { subject: 'silent' },
    { subject: 'absent', needs: 'percore-has-no-such-rival' },
  ],
  prepare: async () => ({ answer: 42 }),
  plan: ({ runs = 2 }) => [{ params: { workers: 1 }, contenders: bench.contenders, runs, timeoutMs: 60_000, input: { question: 6 } }],
  async measure({ subject, input }) {
    switch (subject) {
      case 'throws': throw new TypeError('the rival is out of order')
      case 'exits': {
        console.error('last words')
        return process.exit(7)
      }
      case 'hangs': return await new Promise(() => setInterval(() => undefined, 1000))
      case 'silent': return process.exit(0)
      default: {
        console.log('a library prints what it likes')
        return [
          { metric: 'tasks_per_s', value: Number(input['answer']) * 1000 },
          { metric: 'break_even_us', value: Infinity },
          { metric: 'speedup', value: Number(input['question']), params: { spin_us: 1 } },
          { metric: 'speedup', value: 2, params: { spin_us: 10 } },
        ]
      }
    }
  },
  views: [{ kind: 'columns', metrics: ['tasks_per_s', 'break_even_us'] }, { kind: 'pivot', metric: 'speedup', rows: ['spin_us'] }],
}
