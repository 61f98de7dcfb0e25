/**
 * Wakes who waits in this process for an order, as soon as a projector has applied it: at once the one of this process, and those of
 * others where there are signals.
 *
 * It is a hint and nothing more: it may be missed, and it may come for nothing. Who is woken looks again, and who is not looks again after
 * a while.
 */
import type { OrderId } from "@sluice/domain"
import { Context, type Effect, Latch } from "effect"

export interface Listening {
  /** From now on, what is announced is news. */
  readonly attend: () => void
  /** Until there is news since `attend`. */
  readonly news: Effect.Effect<void>
  readonly close: () => void
}

export interface Arrivals {
  readonly announce: (ids: Iterable<OrderId>) => void
  readonly listen: (id: OrderId) => Listening
}

export const make = (): Arrivals => {
  const listeners = new Map<OrderId, Set<Latch.Latch>>()
  return {
    announce: (ids) => {
      if (listeners.size === 0) return
      for (const id of ids) for (const latch of listeners.get(id) ?? []) latch.openUnsafe()
    },
    listen: (id) => {
      const latch = Latch.makeUnsafe()
      const others = listeners.get(id) ?? new Set()
      listeners.set(id, others.add(latch))
      return {
        attend: () => latch.closeUnsafe(),
        news: latch.await,
        close: () => {
          others.delete(latch)
          if (others.size === 0 && listeners.get(id) === others) listeners.delete(id)
        }
      }
    }
  }
}

export const arrivalsChannel = "sluice.arrivals"

/** One for the whole process, unless another is given. */
export const Arrivals = Context.Reference<Arrivals>("sluice/orders/Arrivals", { defaultValue: make })
