/** The frame of every view: its heading, which gets the focus when one comes here, a line about it, and what can be done. */
import type { ComponentChildren } from "preact"
import { useEffect, useRef } from "preact/hooks"
import { useWords } from "../i18n/useWords.ts"
import { key } from "../lib/session.ts"
import { useStore } from "../lib/store.ts"
import { isSigningIn } from "../Session.tsx"
import { Icon } from "./Icon.tsx"

export interface PageProps {
  readonly title: string
  readonly lead?: ComponentChildren
  readonly actions?: ComponentChildren
  readonly children: ComponentChildren
}

let isFirst = true

export const Page = ({ actions, children, lead, title }: PageProps) => {
  const heading = useRef<HTMLHeadingElement>(null)
  useEffect(() => {
    document.title = `${title} · Sluice`
  }, [title])
  useEffect(() => {
    if (!isFirst) heading.current?.focus()
    isFirst = false
  }, [])
  return (
    <>
      <div class="page-head">
        <div>
          <h1 ref={heading} tabIndex={-1}>
            {title}
          </h1>
          {lead && <p class="lead">{lead}</p>}
        </div>
        {actions && <div class="buttons">{actions}</div>}
      </div>
      {children}
    </>
  )
}

/** For a view that only an operator may see. */
export const ForOperators = ({ children }: { readonly children: () => ComponentChildren }) => {
  const { t } = useWords()
  if (useStore(key) !== undefined) return <>{children()}</>
  return (
    <div class="card empty">
      <Icon name="key" />
      <p>{t.session.needed}</p>
      <button type="button" class="primary" onClick={() => isSigningIn.set(true)}>
        {t.session.signIn}
      </button>
    </div>
  )
}

export const Loading = () => {
  const { t } = useWords()
  return <p class="muted loading">{t.common.loading}</p>
}

export const Empty = ({ hint, text }: { readonly text: string; readonly hint?: string }) => (
  <div class="card empty">
    <p>{text}</p>
    {hint && <p class="muted">{hint}</p>}
  </div>
)
