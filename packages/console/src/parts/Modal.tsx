/** A dialog over the page. The browser keeps the focus in it, closes it on Escape, and gives the focus back afterwards. */
import type { ComponentChildren } from "preact"
import { useId, useLayoutEffect, useRef } from "preact/hooks"
import { useWords } from "../i18n/useWords.ts"
import { Icon } from "./Icon.tsx"

export interface ModalProps {
  readonly title: string
  readonly onClose: () => void
  readonly wide?: boolean
  readonly children: ComponentChildren
}

/** Where one begins: at the first thing to fill in, else at the harmless answer. */
const firstWanted = ["form input, form select", "form button"]

export const Modal = ({ children, onClose, title, wide }: ModalProps) => {
  const { t } = useWords()
  const dialog = useRef<HTMLDialogElement>(null)
  const heading = useId()
  useLayoutEffect(() => {
    const element = dialog.current
    element?.showModal()
    element?.querySelector<HTMLElement>(firstWanted.find((selector) => element.querySelector(selector)) ?? "button")?.focus()
    return () => element?.close()
  }, [])
  return (
    <dialog
      ref={dialog}
      class={wide ? "wide" : ""}
      aria-labelledby={heading}
      onCancel={(event) => {
        event.preventDefault()
        onClose()
      }}
    >
      <div class="dialog-head">
        <h2 id={heading}>{title}</h2>
        <button type="button" class="quiet square" aria-label={t.common.close} onClick={onClose}>
          <Icon name="cross" />
        </button>
      </div>
      {children}
    </dialog>
  )
}
