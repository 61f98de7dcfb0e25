/** Whole numbers that count. */
import { Schema } from "effect"

/** How many there are. */
export const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))
/** Which one it is, from one on. */
export const Ordinal = Schema.Int.check(Schema.isGreaterThanOrEqualTo(1))
