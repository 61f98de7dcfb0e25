export type * from "./Block.ts"
