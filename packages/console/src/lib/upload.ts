/** Sends a file as the body of a load. By XMLHttpRequest, since `fetch` does not tell how much has gone out. */
import { noAnswer, type Problem, problemOf, refuse } from "./api.ts"
import { authorization, key } from "./session.ts"
import { makeStore } from "./store.ts"

const types: Readonly<Record<string, string>> = { csv: "text/csv", ndjson: "application/x-ndjson", jsonl: "application/x-ndjson" }

const nameOf = /\.(csv|ndjson|jsonl)(\.gz)?$/i

/** Undefined for a file that a load can not read. */
export const kindOf = (file: File): { readonly type: string; readonly isPacked: boolean } | undefined => {
  const match = nameOf.exec(file.name)
  return match === null ? undefined : { type: types[match[1]!.toLowerCase()]!, isPacked: match[2] !== undefined }
}

export interface LoadRequest {
  readonly table: string
  readonly job: string
  readonly columns: string
  readonly maxRejects: string
  readonly header: boolean
}

const queryOf = ({ columns, header, job, maxRejects, table }: LoadRequest) =>
  new URLSearchParams({
    table,
    ...(job !== "" && { job }),
    ...(columns !== "" && { columns }),
    ...(maxRejects !== "" && { maxRejects }),
    ...(!header && { header: "false" })
  })

const send = (file: File, load: LoadRequest, onSent: (bytes: number) => void, signal: AbortSignal): Promise<string | undefined> =>
  new Promise((resolve, reject) => {
    const kind = kindOf(file)!
    const sent = key.get()
    const request = new XMLHttpRequest()
    request.open("POST", `/loads?${queryOf(load)}`)
    request.setRequestHeader("content-type", kind.type)
    if (kind.isPacked) request.setRequestHeader("content-encoding", "gzip")
    for (const [name, value] of Object.entries(authorization())) request.setRequestHeader(name, value)
    const fail = (problem: Problem) => {
      refuse(problem, sent)
      reject(problem)
    }
    request.upload.onprogress = ({ loaded }) => onSent(loaded)
    request.onload = () =>
      request.status === 202
        ? resolve(JSON.parse(request.responseText).job)
        : fail(problemOf(request.status, request.responseText))
    request.onerror = () => fail(noAnswer())
    request.onabort = () => resolve(undefined)
    signal.addEventListener("abort", () => request.abort())
    request.send(file)
  })

export interface Transfer {
  readonly file: File
  readonly sent: number
  readonly stop: () => void
}

/** The one under way, whichever view is looked at meanwhile. */
export const transfer = makeStore<Transfer | undefined>(undefined)

const stay = (event: BeforeUnloadEvent) => event.preventDefault()

/** Answers the name of the job once the whole file has arrived; undefined where it was stopped on this side. */
export const upload = async (file: File, load: LoadRequest): Promise<string | undefined> => {
  const ends = new AbortController()
  const tell = (sent: number) => transfer.set({ file, sent, stop: () => ends.abort() })
  tell(0)
  addEventListener("beforeunload", stay)
  try {
    return await send(file, load, tell, ends.signal)
  } finally {
    removeEventListener("beforeunload", stay)
    transfer.set(undefined)
  }
}
