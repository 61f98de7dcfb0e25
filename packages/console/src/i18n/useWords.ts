/** The words of the chosen language, with its numbers and times. */
import { useMemo } from "preact/hooks"
import { Problem } from "../lib/api.ts"
import { type Language, language } from "../lib/preferences.ts"
import { useStore } from "../lib/store.ts"
import { en, type Words } from "./en.ts"
import { ko } from "./ko.ts"

const all: Readonly<Record<Language, Words>> = { en, ko }

const make = (lang: Language) => {
  const t = all[lang]
  const locale = navigator.languages.find((one) => one.toLowerCase().startsWith(lang)) ?? lang
  const whole = new Intl.NumberFormat(locale, { maximumFractionDigits: 0 })
  const fine = new Intl.NumberFormat(locale, { maximumFractionDigits: 1 })
  const compact = new Intl.NumberFormat(locale, { notation: "compact", maximumFractionDigits: 1 })
  const part = new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: 0 })
  const clock = new Intl.DateTimeFormat(locale, { timeStyle: "medium" })
  const moment = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" })
  const exact = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "medium" })
  const unit = (name: string) =>
    new Intl.NumberFormat(locale, { style: "unit", unit: name, unitDisplay: "short", maximumFractionDigits: 1 })
  const spans = {
    ms: unit("millisecond"),
    s: unit("second"),
    min: unit("minute"),
    h: unit("hour"),
    d: unit("day")
  }
  const sizes = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"].map(unit)
  const at = (format: Intl.DateTimeFormat) => (when: string | number | null | undefined) =>
    when === null || when === undefined || Number.isNaN(new Date(when).getTime())
      ? t.common.unknown
      : format.format(new Date(when))
  return {
    t,
    n: (value: number) => (Math.abs(value) < 10 ? fine : whole).format(value),
    short: (value: number) => (Math.abs(value) < 10_000 ? whole : compact).format(value),
    brief: (value: number) => compact.format(value),
    percent: (value: number) => part.format(value),
    clock: at(clock),
    moment: at(moment),
    exact: at(exact),
    span: (ms: number) =>
      ms < 1000
        ? spans.ms.format(ms < 10 ? ms : Math.round(ms))
        : ms < 60_000
          ? spans.s.format(ms / 1000)
          : ms < 3_600_000
            ? spans.min.format(ms / 60_000)
            : ms < 86_400_000
              ? spans.h.format(ms / 3_600_000)
              : spans.d.format(ms / 86_400_000),
    size: (bytes: number) => {
      const power = Math.min(sizes.length - 1, bytes < 1 ? 0 : Math.floor(Math.log10(bytes) / 3))
      return sizes[power]!.format(bytes / 1000 ** power)
    },
    state: (state: string) => t.states[state] ?? state,
    problem: (error: unknown) => (error instanceof Problem && error.message !== "" ? error.message : t.common.noAnswer)
  }
}

export const useWords = () => {
  const lang = useStore(language)
  return useMemo(() => make(lang), [lang])
}

export type Format = ReturnType<typeof useWords>
