import { unescape } from "./Checksum.ts"

/** A row as CSV, for the rejects: the source's own text is gone by now, its values are not. */
export const csvOf = (bytes: Uint8Array): string =>
  Buffer.from(bytes)
    .toString("latin1")
    .replace(/\n$/, "")
    .split("\t")
    .map((field) => {
      if (field === "\\N") return "\\N"
      const raw = Buffer.from(field, "latin1")
      const text = unescape(raw, 0, raw.length).toString("utf8")
      return text === "" || /[",\r\n]/.test(text) || text === "\\N" ? `"${text.replaceAll('"', '""')}"` : text
    })
    .join(",")
