/**
 * Whether this container's Sluice is alive, or with `ready` as its argument, whether it should be sent requests: exit code 0 or 1.
 *
 * For images without a shell's tools. It asks the port of SLUICE_PORT on loopback, which a server on every address answers as well.
 */
const what = process.argv[2] === "ready" ? "ready" : "live"
const host = process.env.SLUICE_HOST ?? "127.0.0.1"
const at = ["0.0.0.0", "::", "[::]", ""].includes(host)
  ? "127.0.0.1"
  : host.includes(":") && !host.startsWith("[")
    ? `[${host}]`
    : host
try {
  const answer = await fetch(`http://${at}:${process.env.SLUICE_PORT ?? 8080}/health/${what}`, {
    signal: AbortSignal.timeout(3000)
  })
  const text = await answer.text()
  if (!answer.ok) console.error(text)
  process.exitCode = answer.ok ? 0 : 1
} catch (error) {
  console.error(error.cause?.message ?? error.message)
  process.exitCode = 1
}
