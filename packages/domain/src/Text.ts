/**
 * Checks of text that callers send. What one refuses is told what is expected, and what it takes stands in the API's document as a pattern.
 *
 * Engines of many languages read that pattern: it has no flags, no `\p`, no `\u{}`, and looks neither ahead nor behind. Where that is too
 * little to say the whole rule, the document allows more than the check, never less.
 */
import { Schema } from "effect"

interface Documented {
  readonly pattern: string
  readonly format?: string
  /** In characters, not in units of UTF-16. */
  readonly minLength?: number
  readonly maxLength?: number
}

/** The pattern is the whole rule. `expected` is said after the word Expected. */
export const matches = (pattern: RegExp, expected: string, bounds: Omit<Documented, "pattern"> = {}) =>
  Schema.isPattern(pattern, { expected, toJsonSchema: () => ({ pattern: pattern.source, ...bounds }) })

/** `isValid` is the rule, and `documented` what can be said of it. */
export const satisfies = (isValid: (text: string) => boolean, expected: string, documented: Documented) =>
  Schema.makeFilter(isValid, { expected, toJsonSchema: () => [{ ...documented }, true] })

/** Spaces, then a character that can be seen, then anything but control and format characters, ends of lines and halves of characters. */
const shown = /^\p{Zs}*[^\p{Z}\p{Cc}\p{Cf}\p{Cs}][^\p{Zl}\p{Zp}\p{Cc}\p{Cf}\p{Cs}]*$/u

const spaces = String.raw` \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000`
const hidden =
  String.raw`\u0000-\u001f\u007f-\u009f\u00ad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u2028-\u202e` +
  String.raw`\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb`

/** `shown` up to U+FFFF, with the classes spelled out. */
export const shownPattern = `^[${spaces}]*[^${spaces}${hidden}][^${hidden}]*$`

/** One line for people to read, of 1 to `maxLength` characters. */
export const shownText = (maxLength: number) =>
  Schema.String.check(
    satisfies(
      (text) => shown.test(text) && [...text].length <= maxLength,
      `1 to ${maxLength} characters that are not all blank, without control and format characters`,
      { pattern: shownPattern, minLength: 1, maxLength }
    )
  )
