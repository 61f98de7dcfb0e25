/** How far something is; without `max` only that it is under way. */
import { useId } from "preact/hooks"
import { useWords } from "../i18n/useWords.ts"

export interface ProgressProps {
  readonly label: string
  readonly value?: number
  readonly max?: number
}

export const Progress = ({ label, max, value }: ProgressProps) => {
  const { percent } = useWords()
  const id = useId()
  const share = value === undefined || max === undefined || max === 0 ? undefined : Math.min(1, value / max)
  return (
    <div class="progress">
      <p>
        <span id={id}>{label}</span>
        {share !== undefined && <span>{percent(Math.floor(share * 100) / 100)}</span>}
      </p>
      <progress aria-labelledby={id} {...(share !== undefined && { value: share })} max={1} />
    </div>
  )
}
