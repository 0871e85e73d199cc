/**
 * Results as one self-contained SVG: lines for pivots (speed-up by task size), dots with whiskers for the rest, logarithmic where
 * the figures span decades. Pure; any thread.
 *
 * The invariant: every mark shows a median, every whisker or band the least and greatest run.
 */
import { metrics, type Bench, type Report, type Result, type View } from './contract.js'
import { spread } from './stats.js'
import { blocksOf, home, labelOf, metricTitle, type Block } from './table.js'

const width = 760
const left = 190
const right = 40
const lineHeight = 22
const colours = ['#d1495b', '#2e6f95', '#5b8e7d', '#8f6bb3', '#b58a2f', '#666f78', '#c06c84', '#3d5a80']

const middled = 'text-anchor="middle"'
const ended = 'text-anchor="end"'

interface Panel {
  readonly height: number
  readonly svg: string
}

/** One SVG document with a panel for every block of every view. `caption` says where and when. */
export function plotReports(entries: readonly { readonly bench: Bench, readonly report: Report }[], caption: string): string {
  const panels = entries.flatMap(({ bench, report }) => bench.views.flatMap((view) =>
    blocksOf(view, report.results).map((block) => view.kind === 'pivot' ? linePanel(bench, view, block) : dotPanel(bench, view, block))))
  let top = 40
  const placed = panels.map((panel) => {
    const group = `<g transform="translate(0 ${top})">${panel.svg}</g>`
    top += panel.height + 26
    return group
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${top}" width="${width}" height="${top}" `
    + `font-family="system-ui, sans-serif" font-size="12" fill="#222"><rect width="${width}" height="${top}" fill="#fff"/>`
    + `${text(12, 22, caption, 'fill="#555"')}${placed.join('\n')}</svg>\n`
}

/** A position on an axis from `from` to `to` pixels. */
type Scale = (value: number) => number

function logScale(low: number, high: number, from: number, to: number): Scale {
  const span = Math.log(high / low) || 1
  return (value) => from + (to - from) * Math.log(Math.min(high, Math.max(low, value)) / low) / span
}

function linearScale(high: number, from: number, to: number): Scale {
  return (value) => from + (to - from) * Math.min(high, value) / high
}

/** One line per contender over a logarithmic x axis, with its band, and the break-even line at 1 for a speed-up. */
function linePanel(bench: Bench, view: View & { kind: 'pivot' }, block: Block): Panel {
  const height = 320
  const [xKey = ''] = view.rows
  const xOf = (result: Result): number => Number(result.params[xKey])
  const xs = [...new Set(block.results.map(xOf))].sort((a, b) => a - b)
  const top = Math.max(1, ...block.results.map((result) => spread(result.values).max).filter(Number.isFinite))
  const x = logScale(xs[0] ?? 1, xs.at(-1) ?? 1, 60, width - left)
  const y = linearScale(top * 1.05, height - 40, 30)
  const ticks = Array.from({ length: 5 }, (_, i) => top * i / 4)
  const axes = [
    ...xs.map((value) => line(x(value), 30, x(value), height - 40, '#eee') + text(x(value), height - 24, String(value), middled)),
    ...ticks.map((value) => line(60, y(value), width - left, y(value), '#eee') + text(54, y(value) + 4, value.toFixed(1), ended)),
    view.metric === 'speedup' ? line(60, y(1), width - left, y(1), '#222', 'stroke-dasharray="4 3"') : '',
    text((60 + width - left) / 2, height - 6, xKey, middled),
  ]
  const labels = [...new Set(block.results.map(labelOf))]
  const series = labels.map((label, index) => {
    const colour = colours[index % colours.length] ?? '#222'
    const own = block.results.filter((result) => labelOf(result) === label).sort((a, b) => xOf(a) - xOf(b))
    const points = own.map((result) => ({ x: x(xOf(result)), ...spread(result.values) }))
    const at = (pick: 'median' | 'min' | 'max', list = points): string =>
      list.map((point) => `${px(point.x)},${px(y(point[pick]))}`).join(' ')
    return `<polygon points="${at('max')} ${at('min', points.toReversed())}" fill="${colour}" opacity="0.12"/>`
      + `<polyline points="${at('median')}" fill="none" stroke="${colour}" stroke-width="${label === home ? 3 : 1.8}"/>`
      + line(width - left + 14, 40 + index * lineHeight, width - left + 34, 40 + index * lineHeight, colour, 'stroke-width="3"')
      + text(width - left + 40, 44 + index * lineHeight, label)
  })
  return { height, svg: heading(`${bench.name}: ${metricTitle(view.metric)}`, block.title) + axes.join('') + series.join('') }
}

/** One line of text per contender: a dot at the median, a whisker from the least to the greatest run. */
function dotPanel(bench: Bench, view: View & { kind: 'columns' }, block: Block): Panel {
  const [metric] = view.metrics
  const results = block.results.filter((result) => result.metric === metric)
  const finite = results.flatMap((result) => result.values).filter((value) => Number.isFinite(value) && value > 0)
  const low = Math.min(...finite)
  const high = Math.max(...finite)
  const x = logScale(low * 0.8, high * 1.25, left, width - right - 80)
  const dots = results.map((result, index) => {
    const middle = 44 + index * lineHeight
    const { median, min, max } = spread(result.values)
    const colour = result.subject === home ? '#d1495b' : '#2e6f95'
    const mark = Number.isFinite(median)
      ? line(x(min), middle, x(max), middle, colour, 'stroke-width="2"')
        + `<circle cx="${px(x(median))}" cy="${middle}" r="5" fill="${colour}"/>`
      : ''
    return line(left, middle, width - right - 80, middle, '#eee') + mark
      + text(left - 10, middle + 4, labelOf(result), ended)
      + text(width - right - 70, middle + 4, Number.isFinite(median) ? Number(median.toPrecision(3)).toLocaleString('en') : 'never')
  })
  const better = metric === undefined ? '' : `${metricTitle(metric)}, ${metrics[metric].better} is better, logarithmic`
  return { height: 44 + results.length * lineHeight, svg: heading(`${bench.name}: ${better}`, block.title) + dots.join('') }
}

function heading(title: string, detail: string): string {
  const gray = `<tspan font-weight="400" fill="#555" dx="8">${escape(detail)}</tspan>`
  return `<text x="12" y="16" font-weight="600">${escape(title)}${gray}</text>`
}

function line(x1: number, y1: number, x2: number, y2: number, colour: string, more = ''): string {
  return `<line x1="${px(x1)}" y1="${px(y1)}" x2="${px(x2)}" y2="${px(y2)}" stroke="${colour}" ${more}/>`
}

function text(x: number, y: number, content: string, more = ''): string {
  return `<text x="${px(x)}" y="${px(y)}" ${more}>${escape(content)}</text>`
}

const px = (value: number): string => value.toFixed(1)

const escape = (content: string): string => content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
