/**
 * Whether a value fits its column, decided on its bytes: nothing is ever cut, rounded or guessed by the database.
 *
 * A check sees the value as UTF-8 at the end of a buffer with room behind it. It leaves the value there in the form in which the table
 * gives it back (`+007` becomes `7`, `1` in a DECIMAL(5,2) becomes `1.00`) and gives its new end, or -1 with the reason in `refusal`.
 */
import { isUtf8 } from "node:buffer"
import { isIPv4, isIPv6 } from "node:net"
import type { Column } from "./Table.ts"

/** `high`: a byte of the value is above 0x7f. */
export type Check = (bytes: Buffer, start: number, end: number, high: boolean) => number

/** Room that a check may need behind a value that it does not turn into hexadecimal digits. */
export const slack = 128

/** Why the last check gave -1. */
export let refusal = ""

const refuse = (reason: string): -1 => {
  refusal = reason
  return -1
}

const isDigit = (byte: number) => byte >= 48 && byte <= 57

const write = (bytes: Buffer, start: number, text: string): number => start + bytes.write(text, start, "utf8")

const shown = (bytes: Buffer, start: number, end: number): string => {
  const text = bytes.toString("utf8", start, Math.min(end, start + 60))
  return JSON.stringify(end - start > 60 ? `${text}…` : text)
}

const integer = (min: bigint, max: bigint): Check => {
  // Of up to 15 digits a double is exact, and so is its comparison with a limit that is rounded to a double.
  const low = Number(min)
  const high = Number(max)
  const notOne = (bytes: Buffer, start: number, end: number) => refuse(`${shown(bytes, start, end)} is not a whole number`)
  return (bytes, start, end) => {
    const first = bytes[start]!
    const isNegative = first === 45
    let at = isNegative || first === 43 ? start + 1 : start
    const signEnd = at
    // Beyond the end where an empty value stands on the rest of one that began with a sign.
    if (at >= end) return notOne(bytes, start, end)
    let value = 0
    for (let i = at; i < end; i++) {
      const byte = bytes[i]!
      if (!isDigit(byte)) return notOne(bytes, start, end)
      value = value * 10 + byte - 48
    }
    while (at < end - 1 && bytes[at] === 48) at++
    const digits = end - at
    if (digits <= 15) {
      if (isNegative) value = -value
      if (value < low || value > high) return refuse(`${shown(bytes, start, end)} is not within ${min} to ${max}`)
    } else {
      const exact = digits > 20 ? undefined : BigInt(`${isNegative ? "-" : ""}${bytes.toString("latin1", at, end)}`)
      if (exact === undefined || exact < min || exact > max) {
        return refuse(`${shown(bytes, start, end)} is not within ${min} to ${max}`)
      }
    }
    if (at === signEnd && signEnd === (isNegative ? start + 1 : start) && value !== 0) return end
    const isZero = digits === 1 && bytes[at] === 48
    if (!isNegative || isZero) {
      bytes.copyWithin(start, at, end)
      return start + digits
    }
    bytes.copyWithin(start + 1, at, end)
    return start + 1 + digits
  }
}

const decimalText = /^([+-]?)0*(\d*)(?:\.(\d*))?$/

const decimal =
  (precision: number, scale: number, unsigned: boolean): Check =>
  (bytes, start, end) => {
    const text = bytes.toString("latin1", start, end)
    const match = decimalText.exec(text)
    if (match === null || !/\d/.test(text)) return refuse(`${shown(bytes, start, end)} is not a decimal number`)
    const [, sign, whole = "", written = ""] = match
    const fraction = written.replace(/0+$/, "")
    if (fraction.length > scale) return refuse(`${text} has more than ${scale} digits after the point`)
    if (whole.length > precision - scale) return refuse(`${text} has more than ${precision - scale} digits before the point`)
    const isZero = whole === "" && fraction === ""
    if (sign === "-" && !isZero && unsigned) return refuse(`${text} is negative`)
    const digits = scale === 0 ? whole || "0" : `${whole || "0"}.${fraction.padEnd(scale, "0")}`
    return write(bytes, start, sign === "-" && !isZero ? `-${digits}` : digits)
  }

const floatText = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/
const largestSingle = 3.4028234663852886e38

/** Whole numbers of 64 bits, and up to 15 digits of others: what SQLite's NUMERIC keeps of them. */
const isKept = (text: string): boolean => {
  if (/^[+-]?\d+$/.test(text)) return BigInt.asIntN(64, BigInt(text)) === BigInt(text)
  const digits = text.replace(/[eE].*$/, "").replace(/[+-]|\./g, "")
  return digits.replace(/^0+/, "").replace(/0+$/, "").length <= 15
}

/** Comes back as it was written, although SQLite keeps it as a number, if it is one. */
const staysText = (text: string): boolean =>
  !/^[ \t\n\r\f\v]*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?[ \t\n\r\f\v]*$/.test(text) ||
  (/^(0|-?[1-9]\d*)$/.test(text) ? isKept(text) : text.length <= 17 && text.includes(".") && String(Number(text)) === text)

const numeric =
  (check: Check): Check =>
  (bytes, start, end, high) =>
    end - start > 400 || staysText(bytes.toString("latin1", start, end))
      ? check(bytes, start, end, high)
      : refuse(`${shown(bytes, start, end)} would be kept as a number, and written otherwise`)

const float =
  (single: boolean, unsigned: boolean, isExact: boolean): Check =>
  (bytes, start, end) => {
    const text = bytes.toString("latin1", start, end)
    const value = floatText.test(text) ? Number(text) : Number.NaN
    if (Number.isNaN(value)) return refuse(`${shown(bytes, start, end)} is not a number`)
    if (Math.abs(value) > (single ? largestSingle : Number.MAX_VALUE)) return refuse(`${text} is too large`)
    if (unsigned && value < 0) return refuse(`${text} is negative`)
    if (isExact && !isKept(text)) return refuse(`${text} has more than 15 digits`)
    return end
  }

/** Characters of valid UTF-8: the bytes that do not continue one. */
const characters = (bytes: Buffer, start: number, end: number): number => {
  let n = 0
  for (let i = start; i < end; i++) if ((bytes[i]! & 0xc0) !== 0x80) n++
  return n
}

const text =
  (maxChars: number, maxBytes: number, padded: boolean): Check =>
  (bytes, start, end, high) => {
    if (high && !isUtf8(bytes.subarray(start, end))) return refuse("not valid UTF-8")
    let until = end
    if (padded) while (until > start && bytes[until - 1] === 32) until--
    const n = high ? characters(bytes, start, until) : until - start
    if (n > maxChars) return refuse(`${n} characters, more than the ${maxChars} that fit`)
    if (until - start > maxBytes) return refuse(`${until - start} bytes, more than the ${maxBytes} that fit`)
    return until
  }

const binary =
  (maxBytes: number, fixed: boolean): Check =>
  (bytes, start, end) => {
    const length = end - start
    if (length > maxBytes) return refuse(`${length} bytes, more than the ${maxBytes} that fit`)
    const hex = bytes.toString("hex", start, end).toUpperCase()
    return start + bytes.write(fixed ? hex.padEnd(2 * maxBytes, "0") : hex, start, "latin1")
  }

const two = (bytes: Buffer, at: number): number => {
  const tens = bytes[at]! - 48
  const ones = bytes[at + 1]! - 48
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : -1
}

const monthDays = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

/** `YYYY-MM-DD` that stands in the calendar. */
const isDate = (bytes: Buffer, at: number): boolean => {
  const century = two(bytes, at)
  const rest = two(bytes, at + 2)
  const month = two(bytes, at + 5)
  const day = two(bytes, at + 8)
  if (century < 0 || rest < 0 || bytes[at + 4] !== 45 || bytes[at + 7] !== 45) return false
  if (month < 1 || month > 12 || day < 1 || day > monthDays[month - 1]!) return false
  const year = century * 100 + rest
  if (year === 0) return false
  return month !== 2 || day !== 29 || (year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0))
}

const isTime = (bytes: Buffer, at: number): boolean => {
  const hour = two(bytes, at)
  const minute = two(bytes, at + 3)
  const second = two(bytes, at + 6)
  if (bytes[at + 2] !== 58 || bytes[at + 5] !== 58) return false
  return hour >= 0 && hour < 24 && minute >= 0 && minute < 60 && second >= 0 && second < 60
}

const date: Check = (bytes, start, end) =>
  end - start === 10 && isDate(bytes, start) ? end : refuse(`${shown(bytes, start, end)} is not a date such as 2026-11-24`)

const instantText = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?(Z|[+-]\d{2}:\d{2})?)?$/

/** The fraction at the column's precision; undefined where digits would be lost. */
const fractionOf = (written: string | undefined, precision: number): string | undefined => {
  const digits = (written ?? "").replace(/0+$/, "")
  if (digits.length > precision) return undefined
  return precision === 0 ? "" : `.${digits.padEnd(precision, "0")}`
}

const lastTimestamp = "2038-01-19 03:14:07"

/** A zone is taken into account: the table's times are UTC. */
const datetime = (precision: number, timestamp: boolean): Check => {
  const slow: Check = (bytes, start, end) => {
    const written = bytes.toString("latin1", start, end)
    const match = instantText.exec(written)
    const invalid = () => refuse(`${shown(bytes, start, end)} is not a time such as 2026-11-24 12:00:00`)
    if (match === null) return invalid()
    const [, day, minutes = "00:00", seconds = "00", digits, zone] = match
    const canonical = Buffer.from(`${day} ${minutes}:${seconds}`)
    if (!isDate(canonical, 0) || !isTime(canonical, 11)) return invalid()
    const fraction = fractionOf(digits, precision)
    if (fraction === undefined) return refuse(`${written} has more than ${precision} digits of a second`)
    let at = canonical.toString()
    if (zone !== undefined && zone !== "Z") {
      const ms = Date.parse(`${day}T${minutes}:${seconds}${zone}`)
      if (Number.isNaN(ms)) return invalid()
      const utc = new Date(ms).toISOString()
      if (!/^\d{4}-/.test(utc)) return invalid()
      at = `${utc.slice(0, 10)} ${utc.slice(11, 19)}`
    }
    if (timestamp && (at < "1970-01-01 00:00:01" || at > lastTimestamp)) {
      return refuse(`${written} is not within 1970-01-01 00:00:01 and ${lastTimestamp} UTC`)
    }
    return write(bytes, start, at + fraction)
  }
  if (precision > 0 || timestamp) return slow
  return (bytes, start, end, high) => {
    const separator = bytes[start + 10]
    if (end - start !== 19 || (separator !== 32 && separator !== 84)) return slow(bytes, start, end, high)
    if (!isDate(bytes, start) || !isTime(bytes, start + 11)) return slow(bytes, start, end, high)
    bytes[start + 10] = 32
    return end
  }
}

const time =
  (precision: number): Check =>
  (bytes, start, end) => {
    const written = bytes.toString("latin1", start, end)
    const match = /^(-?)(\d{1,3}):([0-5]\d)(?::([0-5]\d)(?:\.(\d{1,9}))?)?$/.exec(written)
    if (match === null) return refuse(`${shown(bytes, start, end)} is not a time such as 12:30:00`)
    const [, sign, hours = "", minutes, seconds = "00", digits] = match
    const fraction = fractionOf(digits, precision)
    if (fraction === undefined) return refuse(`${written} has more than ${precision} digits of a second`)
    if (Number(hours) > 838) return refuse(`${written} is beyond 838:59:59`)
    const whole = `${String(Number(hours)).padStart(2, "0")}:${minutes}:${seconds}${fraction}`
    return write(bytes, start, sign === "-" && /[1-9]/.test(whole) ? `-${whole}` : whole)
  }

const year: Check = (bytes, start, end) => {
  const written = bytes.toString("latin1", start, end)
  const value = Number(written)
  const fits = /^\d{4}$/.test(written) && (value === 0 || (value >= 1901 && value <= 2155))
  return fits ? end : refuse(`${shown(bytes, start, end)} is not a year within 1901 to 2155`)
}

const enumeration = (values: ReadonlyArray<string>): Check => {
  const known = new Set(values)
  return (bytes, start, end) =>
    known.has(bytes.toString("utf8", start, end))
      ? end
      : refuse(`${shown(bytes, start, end)} is none of ${values.slice(0, 20).join(", ")}`)
}

const set = (values: ReadonlyArray<string>): Check => {
  const known = new Set(values)
  return (bytes, start, end) => {
    if (start === end) return end
    const named = new Set(bytes.toString("utf8", start, end).split(","))
    for (const value of named) {
      if (!known.has(value)) return refuse(`${JSON.stringify(value)} is none of ${values.slice(0, 20).join(", ")}`)
    }
    return write(bytes, start, values.filter((value) => named.has(value)).join(","))
  }
}

const json: Check = (bytes, start, end, high) => {
  if (high && !isUtf8(bytes.subarray(start, end))) return refuse("not valid UTF-8")
  try {
    JSON.parse(bytes.toString("utf8", start, end))
    return end
  } catch {
    return refuse(`${shown(bytes, start, end)} is not JSON`)
  }
}

const uuid: Check = (bytes, start, end) => {
  const written = bytes.toString("latin1", start, end).toLowerCase()
  const hex = written.replaceAll("-", "")
  const isOne = /^[0-9a-f]{32}$/.test(hex) && (written.length === 32 || /^.{8}-.{4}-.{4}-.{4}-.{12}$/.test(written))
  if (!isOne) return refuse(`${shown(bytes, start, end)} is not a UUID`)
  return write(bytes, start, hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-"))
}

const inet =
  (version: 4 | 6): Check =>
  (bytes, start, end) => {
    const written = bytes.toString("latin1", start, end)
    const fits = version === 4 ? isIPv4(written) : isIPv6(written) && !written.includes("%")
    return fits ? end : refuse(`${shown(bytes, start, end)} is not an IPv${version} address`)
  }

export const checkOf = ({ type }: Column): Check => {
  switch (type.kind) {
    case "integer":
      return integer(type.min, type.max)
    case "decimal":
      return decimal(type.precision, type.scale, type.unsigned)
    case "float":
      return float(type.single, type.unsigned, type.isExact === true)
    case "text": {
      const check = text(type.maxChars, type.maxBytes, type.padded)
      return type.numeric === true ? numeric(check) : check
    }
    case "binary":
      return binary(type.maxBytes, type.fixed)
    case "date":
      return date
    case "datetime":
      return datetime(type.fraction, type.timestamp)
    case "time":
      return time(type.fraction)
    case "year":
      return year
    case "enum":
      return enumeration(type.values)
    case "set":
      return set(type.values)
    case "bit":
      return integer(0n, 2n ** BigInt(type.bits) - 1n)
    case "json":
      return type.numeric === true ? numeric(json) : json
    case "uuid":
      return uuid
    case "inet":
      return inet(type.version)
    case "unsupported":
      return () => refuse(`the type ${type.name} can't be loaded`)
  }
}
