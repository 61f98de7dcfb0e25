/** Asks before something is changed, and shows what becomes of it. A refusal of the server stays in the dialog. */
import type { ComponentChildren } from "preact"
import { useWords } from "../i18n/useWords.ts"
import { useAction } from "../lib/useAsync.ts"
import { Modal } from "./Modal.tsx"
import { ProblemText } from "./ProblemText.tsx"

export interface ConfirmProps {
  readonly title: string
  readonly text?: string
  /** The button that does it. */
  readonly action: string
  readonly danger?: boolean
  readonly before?: string
  readonly after?: string
  readonly what?: string
  readonly run: () => Promise<void>
  readonly onClose: () => void
  readonly children?: ComponentChildren
}

export const Confirm = (props: ConfirmProps) => {
  const { t } = useWords()
  const { isBusy, problem, start } = useAction(async () => {
    await props.run()
    props.onClose()
  })
  return (
    <Modal title={props.title} onClose={props.onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          start()
        }}
      >
        {props.text && <p class="muted">{props.text}</p>}
        {props.after !== undefined && (
          <p class="change">
            <span>{props.what}</span>
            <del>{props.before}</del>
            <span aria-hidden="true">→</span>
            <ins>{props.after}</ins>
          </p>
        )}
        {props.children}
        <ProblemText problem={problem} />
        <div class="buttons">
          <button type="button" onClick={props.onClose}>
            {t.common.cancel}
          </button>
          <button type="submit" class={props.danger ? "danger" : "primary"} aria-disabled={isBusy}>
            {props.action}
          </button>
        </div>
      </form>
    </Modal>
  )
}
