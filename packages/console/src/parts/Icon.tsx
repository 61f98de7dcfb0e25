/** Line drawings of 20 by 20. They say nothing that is not also said in words. */
const paths = {
  campaigns: "M3 4v12M17 4v12M3 8c2.3-2 4.7 2 7 0s4.7 2 7 0M3 13c2.3-2 4.7 2 7 0s4.7 2 7 0",
  orders: "M5 3h10v14l-2.5-1.5L10 17l-2.5-1.5L5 17zM8 7h4M8 10.5h4",
  loads: "M10 13V3m0 0L6.5 6.5M10 3l3.5 3.5M3 12v4h14v-4",
  "dead-letters": "M3 5h14v10H3zM3 5.5l7 5 7-5M13 12.5l2 0",
  system: "M2.5 10h3.5l2-5.5 3.5 11 2.2-5.5h3.8",
  audit: "M4 5h1M8 5h8M4 10h1M8 10h8M4 15h1M8 15h8",
  out: "M8 5H4v11h11v-4M11 4h5v5M16 4l-7 7",
  plus: "M10 4v12M4 10h12",
  sun: "M10 6.5a3.5 3.5 0 1 1 0 7a3.5 3.5 0 0 1 0-7zM10 2v1.5M10 16.5V18M2 10h1.5M16.5 10H18M4.3 4.3l1.1 1.1M14.6 14.6l1.1 1.1M4.3 15.7l1.1-1.1M14.6 5.4l1.1-1.1",
  moon: "M16 11.5A6.5 6.5 0 1 1 8.5 4a5.2 5.2 0 0 0 7.5 7.5z",
  auto: "M3 4.5h14v9H3zM7 17h6M10 13.5V17",
  back: "M12 4.5L6.5 10l5.5 5.5",
  check: "M4 10.5l4 4 8-9",
  cross: "M5 5l10 10M15 5L5 15",
  key: "M12.5 3.5a4 4 0 1 1-3.2 6.4L3.5 15.7V17h3v-2h2v-2l2.4-2.4M13.5 6.5h.1",
  crowd:
    "M7 9a2.5 2.5 0 1 0 0-5a2.5 2.5 0 0 0 0 5zM2.5 16c0-3 2-4.5 4.5-4.5s4.5 1.5 4.5 4.5M13 9a2.2 2.2 0 1 0-1-4.2M13.5 11.6c2.3.2 4 1.7 4 4.4"
} as const

export type IconName = keyof typeof paths

export const Icon = ({ name }: { readonly name: IconName }) => (
  <svg class="icon" viewBox="0 0 20 20" aria-hidden="true">
    <path d={paths[name]} />
  </svg>
)
