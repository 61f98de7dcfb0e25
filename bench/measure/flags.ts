/** Flags of a bench, refused as `parseArgs` refuses. */
export const wrong = (message: string) => Object.assign(new Error(message), { code: "ERR_PARSE_ARGS" })

export const whole = (name: string, text: string): number => {
  if (!/^\d+$/.test(text) || Number(text) < 1) throw wrong(`--${name}: ${JSON.stringify(text)} is not a whole number from 1`)
  return Number(text)
}
