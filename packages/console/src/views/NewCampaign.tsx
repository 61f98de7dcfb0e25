/** Creates a campaign. What the page can see to be wrong is not sent; what the server refuses stands at the field. */
import { useState } from "preact/hooks"
import { useWords } from "../i18n/useWords.ts"
import { post } from "../lib/api.ts"
import { note } from "../lib/campaigns.ts"
import { go } from "../lib/router.ts"
import { say } from "../lib/toasts.ts"
import type { Campaign } from "../lib/types.ts"
import { useAction } from "../lib/useAsync.ts"
import { Field, focusFirstInvalid, textOf } from "../parts/Field.tsx"
import { Modal } from "../parts/Modal.tsx"
import { ProblemText } from "../parts/ProblemText.tsx"

type Name = "id" | "name" | "stock" | "ratePerSecond" | "opensAt" | "closesAt" | "maxWaiting"

const names: ReadonlyArray<Name> = ["id", "name", "stock", "ratePerSecond", "opensAt", "closesAt", "maxWaiting"]
const limits = { stock: 100_000_000, ratePerSecond: 1_000_000, maxWaiting: 1_000_000_000 }
const idPattern = /^[A-Za-z0-9_][A-Za-z0-9._~@:+=-]{0,63}$/

const { timeZone } = Intl.DateTimeFormat().resolvedOptions()

const instant = (local: string) => new Date(local).toISOString()

export const NewCampaign = ({ onClose }: { readonly onClose: () => void }) => {
  const { n, t } = useWords()
  const words = t.campaigns.form
  const [own, setOwn] = useState<Partial<Record<Name, string>>>({})

  const check = (form: HTMLFormElement) => {
    const values = Object.fromEntries(names.map((name) => [name, textOf(form, name)])) as Record<Name, string>
    const wrong: Partial<Record<Name, string>> = {}
    for (const name of ["id", "name", "stock", "ratePerSecond"] as const) if (values[name] === "") wrong[name] = words.required
    if (values.id !== "" && !idPattern.test(values.id)) wrong.id = words.idRule
    for (const name of ["stock", "ratePerSecond", "maxWaiting"] as const) {
      const number = Number(values[name])
      if (values[name] !== "" && !(Number.isInteger(number) && number >= 1 && number <= limits[name]))
        wrong[name] = words.wholeBetween(n(1), n(limits[name]))
    }
    if (values.opensAt !== "" && values.closesAt !== "" && values.closesAt <= values.opensAt) wrong.closesAt = words.later
    return { values, wrong }
  }

  const { isBusy, problem, setProblem, start } = useAction(async (form: HTMLFormElement) => {
    const { values, wrong } = check(form)
    setOwn(wrong)
    if (Object.keys(wrong).length > 0) return void focusFirstInvalid(form)
    try {
      const campaign = await post<Campaign>("/campaigns", {
        id: values.id,
        name: values.name,
        stock: Number(values.stock),
        ratePerSecond: Number(values.ratePerSecond),
        paused: new FormData(form).has("paused"),
        ...(values.opensAt !== "" && { opensAt: instant(values.opensAt) }),
        ...(values.closesAt !== "" && { closesAt: instant(values.closesAt) }),
        ...(values.maxWaiting !== "" && { maxWaiting: Number(values.maxWaiting) })
      })
      note(campaign)
      say(t.campaigns.created(campaign.name))
      onClose()
      go("campaigns", campaign.id)
    } finally {
      focusFirstInvalid(form)
    }
  })

  const errorOf = (name: Name) =>
    own[name] ??
    problem?.errors.find(({ path }) => path === name)?.message ??
    (name === "id" && problem?.code === "campaign_exists" ? problem.message : undefined)
  const change = (name: Name) => () => {
    if (own[name] !== undefined) setOwn({ ...own, [name]: undefined })
    if (problem !== undefined) setProblem(undefined)
  }

  const field = (name: Name, label: string, type: "text" | "number" | "datetime-local", optional = false, hint?: string) => (
    <Field name={name} label={label} error={errorOf(name)} optional={optional} {...(hint && { hint })}>
      {(input) => {
        const common = { ...input, onInput: change(name), autocomplete: "off" }
        if (type === "number") return <input {...common} type="number" inputMode="numeric" step={1} min={1} />
        return type === "text" ? <input {...common} type="text" maxLength={200} /> : <input {...common} type="datetime-local" />
      }}
    </Field>
  )

  return (
    <Modal title={t.campaigns.create} onClose={onClose} wide>
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault()
          start(event.currentTarget)
        }}
      >
        <div class="grid">
          {field("name", words.name, "text")}
          {field("id", words.id, "text", false, words.idHint)}
          {field("stock", words.stock, "number")}
          {field("ratePerSecond", words.rate, "number")}
        </div>
        <label class="check">
          <input type="checkbox" name="paused" checked />
          <span>
            {words.paused}
            <small>{words.pausedHint}</small>
          </span>
        </label>
        <details>
          <summary>{t.common.options}</summary>
          <div class="grid">
            {field("opensAt", words.opensAt, "datetime-local", true, timeZone)}
            {field("closesAt", words.closesAt, "datetime-local", true, timeZone)}
            {field("maxWaiting", words.maxWaiting, "number", true)}
          </div>
        </details>
        {problem?.code !== "campaign_exists" && <ProblemText problem={problem} known={names} />}
        <div class="buttons">
          <button type="button" onClick={onClose}>
            {t.common.cancel}
          </button>
          <button type="submit" class="primary" aria-disabled={isBusy}>
            {words.submit}
          </button>
        </div>
      </form>
    </Modal>
  )
}
