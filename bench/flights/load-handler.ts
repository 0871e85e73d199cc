/** Finds one handler in a handlers module the way percore does: in its default export, or by name. Any thread. */
export type RowHandler = (row: unknown) => unknown

export async function loadHandler(module: string, name: string): Promise<RowHandler> {
  const loaded = await import(module) as Record<string, unknown>
  const table = loaded['default'] ?? loaded
  const handler = (table as Record<string, unknown>)[name]
  if (typeof handler !== 'function') throw new TypeError(`no handler named ${name} in ${module}`)
  return handler as RowHandler
}
