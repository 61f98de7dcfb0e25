/** Keeps a user's ticket of a campaign where it outlives the page. A storage that fails costs the convenience, never the place in hand. */
export interface TicketStorage {
  readonly getItem: (key: string) => string | null | Promise<string | null>
  readonly setItem: (key: string, value: string) => void | Promise<void>
  readonly removeItem: (key: string) => void | Promise<void>
}

export const ticketKey = (campaignId: string, userId: string): string =>
  `sluice:ticket:${encodeURIComponent(campaignId)}:${encodeURIComponent(userId)}`

/** What a ticket can't be made of is not sent. */
const isTicketText = (text: string) => /^[\w.-]{1,2048}$/.test(text)

export const keepTicket = (storage: TicketStorage | undefined, campaignId: string, userId: string) => {
  const key = ticketKey(campaignId, userId)
  const quietly = async <A>(task: () => A | Promise<A>): Promise<A | undefined> => {
    try {
      return await task()
    } catch {
      return undefined
    }
  }
  return {
    read: async (): Promise<string | undefined> => {
      const text = await quietly(() => storage?.getItem(key))
      return typeof text === "string" && isTicketText(text) ? text : undefined
    },
    write: (ticket: string) => quietly(() => storage?.setItem(key, ticket)),
    forget: () => quietly(() => storage?.removeItem(key))
  }
}
