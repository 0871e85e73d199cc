/** Numbers as people read them. Pure; any thread. Without `Intl`, which takes 15 ms to wake up: a tenth of what a short run takes. */

/** `1,234,567` */
export function count(n: number): string {
  return String(n).replaceAll(/\B(?=(?:\d{3})+$)/g, ',')
}

/** `1 row`, `2 rows` */
export function counted(n: number, noun: string): string {
  return `${count(n)} ${noun}${n === 1 ? '' : 's'}`
}

/** `980,392 rows/s`, `1.25 M rows/s` */
export function rate(perSecond: number): string {
  return perSecond >= 1e6 ? `${(perSecond / 1e6).toFixed(2)} M rows/s` : `${count(Math.round(perSecond))} rows/s`
}

/** `97%` */
export function percent(fraction: number): string {
  return `${Math.round(fraction * 100)}%`
}

/** `0.84 s`, `12.3 s`, `4:05`, `1:02:03` */
export function duration(seconds: number): string {
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, Math.floor(seconds) % 60]
  const shown = parts[0] === 0 ? parts.slice(1) : parts
  return shown.map((part, index) => (index === 0 ? String(part) : String(part).padStart(2, '0'))).join(':')
}
