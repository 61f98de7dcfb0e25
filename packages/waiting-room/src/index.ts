export * as Admission from "./Admission.ts"
export * from "./Tickets.ts"
export * from "./WaitingRoom.ts"
export * as WaitingRoomRedis from "./WaitingRoomRedis.ts"
