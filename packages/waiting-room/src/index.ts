export * from "./Tickets.ts"
export * from "./WaitingRoom.ts"
