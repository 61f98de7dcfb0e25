/** Why the server refused, in its own words. */
import { useWords } from "../i18n/useWords.ts"
import type { Problem } from "../lib/api.ts"

export const ProblemText = ({
  known = [],
  problem
}: {
  readonly problem: Problem | undefined
  readonly known?: ReadonlyArray<string>
}) => {
  const { problem: textOf } = useWords()
  if (problem === undefined) return null
  const rest = problem.errors.filter(({ path }) => !known.includes(path))
  return (
    <div class="problem" role="alert">
      <p>{textOf(problem)}</p>
      {rest.length > 0 && (
        <ul>
          {rest.map(({ message, path }) => (
            <li key={path}>
              <code>{path}</code> {message}
            </li>
          ))}
        </ul>
      )}
    </div>
  )
}
