export * as OrdersRead from "./OrdersRead.ts"
export * from "./OrdersSchema.ts"
