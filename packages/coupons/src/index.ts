export * from "./CampaignAdmin.ts"
export * from "./Drop.ts"
