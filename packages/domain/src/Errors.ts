/**
 * What a client can act on. Each carries the HTTP status it is answered with; the wire form is RFC 9457.
 */
import { Schema } from "effect"

export class CampaignNotFound extends Schema.TaggedError<CampaignNotFound>()(
  "CampaignNotFound",
  { campaignId: Schema.String },
  { httpApiStatus: 404 }
) {}

export class CampaignExists extends Schema.TaggedError<CampaignExists>()(
  "CampaignExists",
  { campaignId: Schema.String },
  { httpApiStatus: 409 }
) {}

/** A join that the campaign does not take now. */
export class JoinRefused extends Schema.TaggedError<JoinRefused>()(
  "JoinRefused",
  { campaignId: Schema.String, reason: Schema.Literals(["not_open", "closed", "full"]) },
  { httpApiStatus: 409 }
) {}

/** A change that contradicts what stands, such as less stock than before. */
export class ChangeRefused extends Schema.TaggedError<ChangeRefused>()(
  "ChangeRefused",
  { detail: Schema.String },
  { httpApiStatus: 409 }
) {}

/** Forged, foreign, expired, malformed: the same answer for all. */
export class TicketInvalid extends Schema.TaggedError<TicketInvalid>()("TicketInvalid", {}, { httpApiStatus: 401 }) {}

/** An engine that this answer needs is down or being rebuilt; worth asking again after `retryAfterSeconds`. */
export class Unavailable extends Schema.TaggedError<Unavailable>()(
  "Unavailable",
  { engine: Schema.String, retryAfterSeconds: Schema.Int },
  { httpApiStatus: 503 }
) {}
