/** One input with its label, its hint and what is wrong with it, tied together for those who hear the page. */
import type { ComponentChildren } from "preact"
import { useId } from "preact/hooks"
import { useWords } from "../i18n/useWords.ts"

export interface InputProps {
  readonly id: string
  readonly name: string
  readonly "aria-describedby": string | undefined
  readonly "aria-invalid": "true" | undefined
}

export interface FieldProps {
  readonly name: string
  readonly label: string
  readonly hint?: string
  readonly error?: string | undefined
  readonly optional?: boolean
  readonly children: (input: InputProps) => ComponentChildren
}

export const Field = ({ children, error, hint, label, name, optional }: FieldProps) => {
  const { t } = useWords()
  const id = useId()
  const described = error ? `${id}-error` : hint ? `${id}-hint` : undefined
  return (
    <div class="field">
      <label for={id}>
        {label}
        {optional && <span class="muted"> ({t.common.optional})</span>}
      </label>
      {children({ id, name, "aria-describedby": described, "aria-invalid": error ? "true" : undefined })}
      {hint && !error && (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
      {error && (
        <p class="error" id={`${id}-error`}>
          {error}
        </p>
      )}
    </div>
  )
}

/** Brings whoever filled in a form to the first field that is wrong, once it is shown as such. */
export const focusFirstInvalid = (form: HTMLFormElement) =>
  requestAnimationFrame(() => form.querySelector<HTMLElement>("[aria-invalid]")?.focus())

export const textOf = (form: HTMLFormElement, name: string): string => String(new FormData(form).get(name) ?? "").trim()
