export * from "./EventLog.ts"
