/**
 * A row as text again, for the rejects: what the database refuses is known by its values alone, the source's own text is gone by then.
 *
 * CSV as the source has it, delimiter and NULL text included, or an object by the columns' names; read again it gives the same values.
 */
import { unescape } from "./Checksum.ts"
import type { Column } from "./Table.ts"

export type RawForm =
  | { readonly format: "csv"; readonly delimiter: string; readonly nullText: string }
  | { readonly format: "ndjson" }

type Field = string | null

const fieldsOf = (columns: ReadonlyArray<Column>, row: Uint8Array): ReadonlyArray<Field> =>
  Buffer.from(row)
    .toString("latin1")
    .replace(/\n$/, "")
    .split("\t")
    .map((field, i) => {
      if (field === "\\N") return null
      if (columns[i]?.type.kind === "binary") return Buffer.from(field, "hex").toString("utf8")
      const bytes = Buffer.from(field, "latin1")
      return unescape(bytes, 0, bytes.length).toString("utf8")
    })

export const rawOf = (columns: ReadonlyArray<Column>, form: RawForm, row: Uint8Array): string => {
  const fields = fieldsOf(columns, row)
  if (form.format === "ndjson") return JSON.stringify(Object.fromEntries(columns.map(({ name }, i) => [name, fields[i]])))
  const { delimiter, nullText } = form
  const isPlain = (text: string) => text !== "" && text !== nullText && !/["\r\n]/.test(text) && !text.includes(delimiter)
  return fields
    .map((text) => (text === null ? nullText : isPlain(text) ? text : `"${text.replaceAll('"', '""')}"`))
    .join(delimiter)
}
