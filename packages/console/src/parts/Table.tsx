/** A table that becomes a list of cards where there is no room for it: each cell then carries its column's name. */
import type { ComponentChildren } from "preact"

export interface Column<A> {
  readonly name: string
  readonly cell: (row: A) => ComponentChildren
  /** Numbers stand at the end of their cell. */
  readonly isNumber?: boolean
  /** Never broken into lines. */
  readonly isShort?: boolean
  /** The cell that names the row. */
  readonly isHead?: boolean
}

export interface TableProps<A> {
  readonly caption: string
  readonly columns: ReadonlyArray<Column<A>>
  readonly rows: ReadonlyArray<A>
  readonly keyOf: (row: A) => string
}

export const Table = <A,>({ caption, columns, keyOf, rows }: TableProps<A>) => (
  <table>
    <caption class="hidden">{caption}</caption>
    <thead>
      <tr>
        {columns.map(({ isNumber, name }) => (
          <th key={name} scope="col" class={isNumber ? "number" : ""}>
            {name}
          </th>
        ))}
      </tr>
    </thead>
    <tbody>
      {rows.map((row) => (
        <tr key={keyOf(row)}>
          {columns.map(({ cell, isHead, isNumber, isShort, name }) => {
            const Cell = isHead ? "th" : "td"
            return (
              <Cell
                key={name}
                class={isNumber ? "number" : isShort ? "short" : ""}
                data-label={name}
                {...(isHead && { scope: "row" as const })}
              >
                {cell(row)}
              </Cell>
            )
          })}
        </tr>
      ))}
    </tbody>
  </table>
)
