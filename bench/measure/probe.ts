/**
 * Loaded before a measured server (`node --import`): tells its parent over IPC, when asked, what the process has used. The same for every
 * server, and nothing while nobody asks.
 */
process.on("message", (message) => {
  if (message !== "usage") return
  const { system, user } = process.cpuUsage()
  process.send?.({ cpuMicros: user + system, rssBytes: process.memoryUsage.rss() })
})
process.channel?.unref()
