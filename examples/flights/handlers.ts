/**
 * What is done to each flight: it is validated, joined with the coordinates of its airports, and turned into features a model
 * could be trained on. Runs in percore's workers, and on one thread for comparison.
 */
import { readFileSync } from 'node:fs'
import { parse } from 'csv-parse/sync'
import { defineHandlers } from 'percore'
import { airportsFile } from './paths.js'

export interface Flight {
  /** Local time of departure, such as `2001-01-01T00:01:00`. */
  readonly date: string
  /** Minutes; negative is early. */
  readonly delay: number
  /** Miles, as reported. */
  readonly distance: number
  readonly origin: string
  readonly destination: string
}

export interface FlightFeatures {
  /** The same for the same flight on every run and machine. */
  readonly key: string
  readonly date: string
  readonly route: string
  readonly weekday: string
  readonly weekend: boolean
  readonly hour: number
  readonly dayOfYear: number
  readonly delay: number
  readonly delayClass: 'early' | 'on time' | 'late' | 'very late'
  readonly miles: number
  readonly greatCircleMiles: number
  /** Reported distance over great-circle distance; far from 1 is suspect. */
  readonly detour: number
  readonly suspect: boolean
  readonly heading: string
}

interface Airport {
  readonly latitude: number
  readonly longitude: number
}

const degree = Math.PI / 180
const earthRadiusMiles = 3958.8
const weekdays = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'] as const
const headings = ['N', 'NE', 'E', 'SE', 'S', 'SW', 'W', 'NW'] as const
const dateShape = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):\d\d$/

/** A reported distance may differ this much from the great circle before it is suspect. */
const detourTolerance = 0.02

/** By IATA code; in radians. */
const airports = new Map((parse(readFileSync(airportsFile), { columns: true }) as Record<string, string>[]).map(
  ({ iata, latitude, longitude }): [string, Airport] => [String(iata), { latitude: Number(latitude) * degree, longitude: Number(longitude) * degree }],
))

export function features(flight: Flight): FlightFeatures {
  const { date, delay, distance, origin, destination } = flight
  if (!Number.isFinite(delay)) throw new TypeError(`delay is ${delay}, not a number of minutes`)
  if (!(distance > 0)) throw new RangeError(`distance is ${distance}, not a number of miles`)
  const [, year, month, day, hour] = dateShape.exec(date)?.map(Number) ?? []
  if (year === undefined || month === undefined || day === undefined || hour === undefined) throw new TypeError(`date is ${date}, not a local time`)

  const from = airport(origin)
  const to = airport(destination)
  const miles = greatCircleMiles(from, to)
  const detour = distance / miles
  const midnight = Date.UTC(year, month - 1, day)
  const weekday = new Date(midnight).getUTCDay()
  return {
    key: fnv1a(`${date} ${origin} ${destination} ${delay}`),
    date,
    route: `${origin}-${destination}`,
    weekday: weekdays[weekday] as string,
    weekend: weekday === 0 || weekday === 6,
    hour,
    dayOfYear: (midnight - Date.UTC(year, 0, 1)) / 86_400_000 + 1,
    delay,
    delayClass: delay < 0 ? 'early' : delay < 15 ? 'on time' : delay < 60 ? 'late' : 'very late',
    miles: distance,
    greatCircleMiles: round(miles, 10),
    detour: round(detour, 1000),
    suspect: Math.abs(detour - 1) > detourTolerance,
    heading: heading(from, to),
  }
}

const handlers: { readonly features: (flight: Flight) => FlightFeatures } = defineHandlers({ features })
export default handlers

function airport(code: string): Airport {
  const found = airports.get(code)
  if (found === undefined) throw new RangeError(`there is no airport ${code}`)
  return found
}

/** The haversine formula. */
function greatCircleMiles(from: Airport, to: Airport): number {
  const a = Math.sin((to.latitude - from.latitude) / 2) ** 2
    + Math.cos(from.latitude) * Math.cos(to.latitude) * Math.sin((to.longitude - from.longitude) / 2) ** 2
  return 2 * earthRadiusMiles * Math.asin(Math.sqrt(a))
}

/** The compass direction of the start of the great circle. */
function heading(from: Airport, to: Airport): string {
  const turn = to.longitude - from.longitude
  const angle = Math.atan2(
    Math.sin(turn) * Math.cos(to.latitude),
    Math.cos(from.latitude) * Math.sin(to.latitude) - Math.sin(from.latitude) * Math.cos(to.latitude) * Math.cos(turn),
  )
  return headings[Math.round(angle / (Math.PI / 4) + 8) % 8] as string
}

/** FNV-1a, 32 bits (Fowler, Noll and Vo), of ASCII text. */
function fnv1a(text: string): string {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return (hash >>> 0).toString(16).padStart(8, '0')
}

function round(value: number, steps: number): number {
  return Math.round(value * steps) / steps
}
