/**
 * Preloaded (`--require`) into every process of the run bench: when the process ends, its wall time, CPU time and peak memory go to
 * file descriptor 3 as JSON. Main thread of that process.
 *
 * The invariant: the process under measurement is otherwise untouched.
 */
if (process.getBuiltinModule('node:worker_threads').isMainThread) {
  process.on('exit', () => {
    const { user, system } = process.cpuUsage()
    const usage = { wallMs: performance.now(), cpuMs: (user + system) / 1000, maxRssKb: process.resourceUsage().maxRSS }
    process.getBuiltinModule('node:fs').writeSync(3, JSON.stringify(usage))
  })
}
