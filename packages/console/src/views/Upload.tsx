/** A file on its way into a table: dropped or chosen, then sent with its progress. */
import { useState } from "preact/hooks"
import { useWords } from "../i18n/useWords.ts"
import { useStore } from "../lib/store.ts"
import { say } from "../lib/toasts.ts"
import { kindOf, type LoadRequest, transfer, upload } from "../lib/upload.ts"
import { useAction } from "../lib/useAsync.ts"
import { Confirm } from "../parts/Confirm.tsx"
import { Field, focusFirstInvalid, textOf } from "../parts/Field.tsx"
import { Icon } from "../parts/Icon.tsx"
import { ProblemText } from "../parts/ProblemText.tsx"
import { Progress } from "../parts/Progress.tsx"

const jobPattern = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,119}$/

interface DropProps {
  readonly file: File | undefined
  readonly error: string | undefined
  readonly onFile: (file: File | undefined) => void
}

const DropZone = ({ error, file, onFile }: DropProps) => {
  const { size, t } = useWords()
  const [isOver, setOver] = useState(false)
  return (
    <label
      class={isOver ? "drop over" : "drop"}
      onDragOver={(event) => {
        event.preventDefault()
        setOver(true)
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault()
        setOver(false)
        onFile(event.dataTransfer?.files[0])
      }}
    >
      <Icon name="loads" />
      <span>{file ? t.loads.chosen(file.name, size(file.size)) : t.loads.drop}</span>
      <input
        type="file"
        class="hidden"
        accept=".csv,.ndjson,.jsonl,.gz"
        aria-label={t.loads.choose}
        aria-invalid={error ? "true" : undefined}
        aria-describedby={error ? "file-error" : undefined}
        onChange={(event) => onFile(event.currentTarget.files?.[0])}
      />
      {error && (
        <span class="error" id="file-error">
          {error}
        </span>
      )}
    </label>
  )
}

type Wrong = Partial<Record<"file" | "table" | "job" | "maxRejects", string | undefined>>

export const Upload = () => {
  const { n, size, t } = useWords()
  const words = t.loads
  const [file, setFile] = useState<File>()
  const [wrong, setWrong] = useState<Wrong>({})
  const [asked, setAsked] = useState<LoadRequest>()
  const current = useStore(transfer)

  const { problem, setProblem, start } = useAction(async (load: LoadRequest) => {
    const job = await upload(file!, load)
    if (job === undefined) return
    say(words.arrived(job))
    setFile(undefined)
  })

  const check = (form: HTMLFormElement) => {
    const load: LoadRequest = {
      table: textOf(form, "table"),
      job: textOf(form, "job"),
      columns: textOf(form, "columns"),
      maxRejects: textOf(form, "maxRejects"),
      header: new FormData(form).has("header")
    }
    const found: Wrong = {}
    if (file === undefined) found.file = words.noFile
    else if (kindOf(file) === undefined) found.file = words.wrongType
    if (load.table === "") found.table = t.campaigns.form.required
    if (load.job !== "" && !jobPattern.test(load.job)) found.job = words.jobRule
    if (!/^\d{0,9}$/.test(load.maxRejects)) found.maxRejects = t.campaigns.form.wholeBetween(n(0), n(999_999_999))
    setWrong(found)
    if (Object.keys(found).length > 0) focusFirstInvalid(form)
    else setAsked(load)
  }

  const errorOf = (name: "table" | "job" | "maxRejects" | "columns") =>
    (name === "columns" ? undefined : wrong[name]) ?? problem?.errors.find(({ path }) => path === name)?.message

  return (
    <section class="card" aria-labelledby="upload">
      <div class="card-head">
        <h2 id="upload">{words.upload}</h2>
      </div>
      <form
        noValidate
        onInput={() => setProblem(undefined)}
        onSubmit={(event) => {
          event.preventDefault()
          if (current === undefined) check(event.currentTarget)
        }}
      >
        <DropZone
          file={file}
          error={wrong.file}
          onFile={(chosen) => {
            setFile(chosen)
            setWrong({ ...wrong, file: undefined })
          }}
        />
        <div class="grid">
          <Field name="table" label={words.table} hint={words.tableHint} error={errorOf("table")}>
            {(input) => <input {...input} type="text" autocomplete="off" spellcheck={false} />}
          </Field>
          <Field name="job" label={words.job} hint={words.jobHint} error={errorOf("job")} optional>
            {(input) => <input {...input} type="text" autocomplete="off" spellcheck={false} />}
          </Field>
          <Field name="columns" label={words.columns} hint={words.columnsHint} error={errorOf("columns")} optional>
            {(input) => <input {...input} type="text" autocomplete="off" spellcheck={false} />}
          </Field>
          <Field name="maxRejects" label={words.maxRejects} error={errorOf("maxRejects")} optional>
            {(input) => <input {...input} type="number" inputMode="numeric" min={0} step={1} placeholder="0" />}
          </Field>
        </div>
        <label class="check">
          <input type="checkbox" name="header" checked />
          <span>{words.header}</span>
        </label>
        <ProblemText problem={problem} known={["table", "job", "maxRejects", "columns"]} />
        {current && (
          <>
            <Progress
              label={`${current.file.name}: ${t.common.of(size(current.sent), size(current.file.size))}`}
              value={current.sent}
              max={current.file.size}
            />
            <div class="buttons start">
              <button type="button" class="small" onClick={current.stop}>
                {t.common.cancel}
              </button>
            </div>
          </>
        )}
        <div class="buttons">
          <button type="submit" class="primary" aria-disabled={current !== undefined}>
            {words.start}
          </button>
        </div>
      </form>
      {asked && file && (
        <Confirm
          title={words.confirm}
          text={words.confirmText}
          action={words.start}
          what={words.file}
          before={file.name}
          after={asked.table}
          run={async () => void start(asked)}
          onClose={() => setAsked(undefined)}
        />
      )}
    </section>
  )
}
