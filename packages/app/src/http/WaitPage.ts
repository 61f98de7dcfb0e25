/**
 * What somebody in the crowd sees, as HTML: complete without a script, which only keeps it fresh.
 *
 * Nothing of a caller is written unescaped, and there is no inline script or style.
 */
import { type CampaignView, isFinal, type TicketView } from "@sluice/domain"

export type Language = "en" | "ko"

export interface Standing {
  readonly view: TicketView
  /** The first position that this user saw: where the bar began. */
  readonly first: number
}

const texts = {
  en: {
    user: "Your user id",
    join: "Join",
    ahead: "Your place",
    eta: "About",
    keeps: "You keep your place, even if you close this page.",
    waiting: "You are in the queue",
    issuing: "You won a coupon. It is being written…",
    issued: "Here is your coupon",
    serial: "Number",
    sold_out: "Sold out",
    soldOutMore: "All coupons are gone. Thank you for waiting.",
    closed: "This campaign is closed",
    left: "You left the queue",
    not_open: "Not open yet",
    full: "The waiting room is full",
    unavailable: "One moment: we are catching up. Your place is kept.",
    scheduled: "Opens at",
    paused: "Paused. Places are kept.",
    seconds: "seconds",
    minutes: "minutes",
    unknown: "waiting time not known yet",
    lost: "Connection lost. Trying again; your place is kept.",
    invalid: "Letters, digits and . _ ~ @ : + = -, at most 64"
  },
  ko: {
    user: "사용자 ID",
    join: "참여하기",
    ahead: "내 순서",
    eta: "예상 대기",
    keeps: "이 페이지를 닫아도 순서는 유지됩니다.",
    waiting: "대기 중입니다",
    issuing: "당첨되었습니다. 쿠폰을 발급하고 있습니다…",
    issued: "쿠폰이 발급되었습니다",
    serial: "번호",
    sold_out: "마감되었습니다",
    soldOutMore: "쿠폰이 모두 소진되었습니다. 기다려 주셔서 감사합니다.",
    closed: "종료된 행사입니다",
    left: "대기를 취소했습니다",
    not_open: "아직 시작 전입니다",
    full: "대기실이 가득 찼습니다",
    unavailable: "잠시만 기다려 주세요. 순서는 유지됩니다.",
    scheduled: "시작 시각",
    paused: "일시 중지되었습니다. 순서는 유지됩니다.",
    seconds: "초",
    minutes: "분",
    unknown: "예상 시간을 아직 알 수 없습니다",
    lost: "연결이 끊겼습니다. 다시 연결하는 중이며 순서는 유지됩니다.",
    invalid: "영문자, 숫자, . _ ~ @ : + = - 만 64자까지 쓸 수 있습니다"
  }
} satisfies Record<Language, Record<string, string>>

export type Notice = "not_open" | "closed" | "full" | "unavailable" | "invalid"

/** The first of the caller's languages that the page speaks. */
export const languageOf = (acceptLanguage: string | undefined): Language =>
  /^\s*ko\b/i.test((acceptLanguage ?? "").split(",").find((part) => /^\s*(ko|en)\b/i.test(part)) ?? "") ? "ko" : "en"

const escapes: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" }
const escape = (text: string) => text.replace(/[&<>"']/g, (character) => escapes[character]!)

const wait = (seconds: number | null, t: (typeof texts)[Language]) => {
  if (seconds === null) return t.unknown
  return seconds < 90 ? `${t.eta} ${Math.ceil(seconds)} ${t.seconds}` : `${t.eta} ${Math.ceil(seconds / 60)} ${t.minutes}`
}

const place = ({ first, view }: Standing, lang: Language) => {
  const t = texts[lang]
  const position = view.position ?? 0
  const most = Math.max(first, position)
  return `<h2>${t.waiting}</h2>
<p class="place">${t.ahead} <strong id="position">${position.toLocaleString(lang)}</strong></p>
<progress id="bar" max="${most}" value="${most - position}" aria-label="${t.ahead}"></progress>
<p id="eta">${wait(view.etaSeconds, t)}</p>
<p class="keeps">${t.keeps}</p>`
}

const outcome = (standing: Standing, lang: Language): string => {
  const t = texts[lang]
  const { view } = standing
  switch (view.state) {
    case "waiting":
      return place(standing, lang)
    case "issued":
      return `<h2>${t.issued}</h2><p class="code"><code>${escape(view.code ?? "")}</code></p><p>${t.serial} ${view.serial}</p>`
    case "sold_out":
      return `<h2>${t.sold_out}</h2><p>${t.soldOutMore}</p>`
    default:
      return `<h2>${t[view.state]}</h2>`
  }
}

const form = (action: string, lang: Language, user: string) => {
  const t = texts[lang]
  return `<form method="post" action="${action}"><label>${t.user}
<input name="userId" required maxlength="64" pattern="[A-Za-z0-9_][A-Za-z0-9._~@:+=\\-]*" title="${t.invalid}" autocomplete="username" value="${escape(user)}"></label>
<button>${t.join}</button></form>`
}

const stateOf = (campaign: CampaignView, lang: Language) => {
  const t = texts[lang]
  if (campaign.state === "scheduled") return `<p id="state">${t.scheduled} <time>${campaign.opensAt}</time></p>`
  return campaign.state === "paused" ? `<p id="state">${t.paused}</p>` : ""
}

/** `undefined` as standing: not joined yet. `refreshSeconds` only matters where no script runs. */
export const waitPage = (options: {
  readonly campaign: CampaignView
  readonly lang: Language
  readonly standing: Standing | undefined
  readonly notice: Notice | undefined
  readonly user: string
}): string => {
  const { campaign, lang, notice, standing, user } = options
  const t = texts[lang]
  const action = `/campaigns/${campaign.id}/wait`
  const over = standing !== undefined && isFinal(standing.view.state)
  const isAsking = standing === undefined && notice !== "unavailable"
  const refresh = over || isAsking ? "" : `<noscript><meta http-equiv="refresh" content="${refreshSeconds(standing)}"></noscript>`
  const data =
    standing === undefined
      ? ""
      : ` data-state="${standing.view.state}" data-first="${standing.first}" data-ticket="${escape(standing.view.ticket ?? "")}"`
  return `<!doctype html>
<html lang="${lang}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(campaign.name)}</title><link rel="stylesheet" href="/wait.css">${refresh}<script src="/wait.js" defer></script></head>
<body data-campaign="${campaign.id}" data-eta="${t.eta}" data-seconds="${t.seconds}" data-minutes="${t.minutes}" data-unknown="${t.unknown}" data-ahead="${t.ahead}" data-lost="${t.lost}"><main${data}>
<h1>${escape(campaign.name)}</h1>
${over ? "" : stateOf(campaign, lang)}${notice === undefined ? "" : `<p class="notice">${t[notice]}</p>`}
${standing !== undefined ? outcome(standing, lang) : isAsking ? form(action, lang, user) : ""}
</main><p id="live" role="status" aria-live="polite"></p></body></html>
`
}

const refreshSeconds = (standing: Standing | undefined) =>
  standing === undefined ? 3 : Math.max(1, Math.ceil((standing.view.pollAfterMs ?? 1000) / 1000))
