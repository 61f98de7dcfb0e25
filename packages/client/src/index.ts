export {
  type CallOptions,
  type Client,
  type ClientOptions,
  isFinal,
  makeClient,
  type PageOptions,
  type UploadOptions
} from "./Client.ts"
export type { Connection } from "./Http.ts"
export { type JoinAndWait, joinAndWait, type Outcome } from "./joinAndWait.ts"
export { type ProblemCode, SluiceProblem, SluiceUnreachable } from "./SluiceError.ts"
export { type TicketStorage, ticketKey } from "./TicketStorage.ts"
export type * from "./types.ts"
