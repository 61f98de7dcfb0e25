/**
 * A row as text again, for the rejects: what the database refuses is known by its values alone, the source's own text is gone by then.
 *
 * CSV as the source has it, delimiter and NULL text included, or an object by the columns' names; read again it gives the same values.
 */
import { Fields } from "./Fields.ts"
import type { Column } from "./Table.ts"

export type RawForm =
  | { readonly format: "csv"; readonly delimiter: string; readonly nullText: string }
  | { readonly format: "ndjson" }

const textsOf = (columns: ReadonlyArray<Column>, bytes: Buffer, start: number): ReadonlyArray<string | null> => {
  const fields = new Fields(columns).row(bytes, start)
  return columns.map(({ type }) => {
    fields.next()
    if (fields.isNull) return null
    const text = fields.text()
    return type.kind === "binary" ? Buffer.from(text, "hex").toString("utf8") : text
  })
}

/** `start`: where the row's first field begins. */
export const rawOf = (columns: ReadonlyArray<Column>, form: RawForm, bytes: Buffer, start: number): string => {
  const fields = textsOf(columns, bytes, start)
  if (form.format === "ndjson") return JSON.stringify(Object.fromEntries(columns.map(({ name }, i) => [name, fields[i]])))
  const { delimiter, nullText } = form
  const isPlain = (text: string) => text !== "" && text !== nullText && !/["\r\n]/.test(text) && !text.includes(delimiter)
  return fields
    .map((text) => (text === null ? nullText : isPlain(text) ? text : `"${text.replaceAll('"', '""')}"`))
    .join(delimiter)
}
