/** Signing in and out. */
import { useState } from "preact/hooks"
import { useWords } from "./i18n/useWords.ts"
import { isAccepted } from "./lib/api.ts"
import { key, signOut, wasRefused } from "./lib/session.ts"
import { makeStore, useStore } from "./lib/store.ts"
import { useAction } from "./lib/useAsync.ts"
import { Field, focusFirstInvalid, textOf } from "./parts/Field.tsx"
import { Icon } from "./parts/Icon.tsx"
import { Modal } from "./parts/Modal.tsx"
import { ProblemText } from "./parts/ProblemText.tsx"

export const isSigningIn = makeStore(false)

const SignIn = () => {
  const { t } = useWords()
  const [error, setError] = useState<string>()
  const { isBusy, problem, start } = useAction(async (form: HTMLFormElement) => {
    const candidate = textOf(form, "key")
    const isRight = candidate !== "" && /^[\x21-\x7e]+$/.test(candidate) && (await isAccepted(candidate))
    setError(isRight ? undefined : t.session.wrong)
    if (!isRight) return void focusFirstInvalid(form)
    wasRefused.set(false)
    key.set(candidate)
    isSigningIn.set(false)
  })
  return (
    <Modal title={t.session.title} onClose={() => isSigningIn.set(false)}>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          start(event.currentTarget)
        }}
      >
        <p class="muted">{useStore(wasRefused) ? t.session.refused : t.session.text}</p>
        <Field name="key" label={t.session.key} error={error}>
          {(input) => <input {...input} type="password" autocomplete="off" />}
        </Field>
        <ProblemText problem={problem} />
        <div class="buttons">
          <button type="button" onClick={() => isSigningIn.set(false)}>
            {t.common.cancel}
          </button>
          <button type="submit" class="primary" aria-disabled={isBusy}>
            {t.session.signIn}
          </button>
        </div>
      </form>
    </Modal>
  )
}

export const Session = () => {
  const { t } = useWords()
  const isSignedIn = useStore(key) !== undefined
  return (
    <>
      {isSignedIn ? (
        <button type="button" onClick={signOut}>
          {t.session.signOut}
        </button>
      ) : (
        <button type="button" class="primary" onClick={() => isSigningIn.set(true)}>
          <Icon name="key" />
          {t.session.signIn}
        </button>
      )}
      {useStore(isSigningIn) && <SignIn />}
    </>
  )
}
