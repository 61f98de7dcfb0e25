/** The frame of the page: where one is, whether it is live, who one is, and the view itself. */
import { useEffect } from "preact/hooks"
import { useWords } from "./i18n/useWords.ts"
import { connection, lastSeen } from "./lib/connection.ts"
import { language, type Theme, theme } from "./lib/preferences.ts"
import { hrefOf, route } from "./lib/router.ts"
import { wasRefused } from "./lib/session.ts"
import { useStore } from "./lib/store.ts"
import { toast } from "./lib/toasts.ts"
import { Icon } from "./parts/Icon.tsx"
import { isSigningIn, Session } from "./Session.tsx"
import { Audit } from "./views/Audit.tsx"
import { Campaign } from "./views/Campaign.tsx"
import { Campaigns } from "./views/Campaigns.tsx"
import { DeadLetters } from "./views/DeadLetters.tsx"
import { Loads } from "./views/Loads.tsx"
import { Orders } from "./views/Orders.tsx"
import { System } from "./views/System.tsx"

const views = ["campaigns", "orders", "loads", "dead-letters", "system", "audit"] as const

const View = () => {
  const [view = "campaigns", id] = useStore(route)
  if (view === "orders") return <Orders />
  if (view === "loads") return <Loads />
  if (view === "dead-letters") return <DeadLetters />
  if (view === "system") return <System />
  if (view === "audit") return <Audit />
  return id === undefined ? <Campaigns /> : <Campaign key={id} id={id} />
}

const Connection = () => {
  const { clock, t } = useWords()
  const state = useStore(connection)
  const seen = lastSeen()
  const lost = seen === 0 ? t.connection.never : t.connection.lost(clock(seen))
  return (
    <p class={`connection ${state}`} role="status" aria-live="polite">
      <span class="beacon" />
      {state === "lost" ? lost : t.connection[state]}
    </p>
  )
}

const themeIcons = { auto: "auto", light: "sun", dark: "moon" } as const

const Preferences = () => {
  const { t } = useWords()
  const chosen = useStore(theme)
  return (
    <div class="preferences">
      <label>
        <span class="hidden">{t.language}</span>
        <select value={useStore(language)} onChange={(event) => language.set(event.currentTarget.value === "ko" ? "ko" : "en")}>
          <option value="en" lang="en">
            English
          </option>
          <option value="ko" lang="ko">
            한국어
          </option>
        </select>
      </label>
      <fieldset class="segments">
        <legend class="hidden">{t.theme}</legend>
        {(["auto", "light", "dark"] as const).map((one: Theme) => (
          <label key={one} title={t.themes[one]}>
            <input type="radio" name="theme" value={one} checked={chosen === one} onChange={() => theme.set(one)} />
            <Icon name={themeIcons[one]} />
            <span class="hidden">{t.themes[one]}</span>
          </label>
        ))}
      </fieldset>
    </div>
  )
}

const Navigation = () => {
  const { t } = useWords()
  const [here = "campaigns"] = useStore(route)
  return (
    <nav aria-label={t.navigation}>
      <ul>
        {views.map((view) => (
          <li key={view}>
            <a href={hrefOf(view)} aria-current={here === view ? "page" : undefined}>
              <Icon name={view} />
              <span>{t.views[view]}</span>
            </a>
          </li>
        ))}
      </ul>
    </nav>
  )
}

const Toast = () => {
  const shown = useStore(toast)
  return (
    <div class={shown ? "toast shown" : "toast"} role="status" aria-live="polite">
      {shown?.text}
    </div>
  )
}

export const App = () => {
  const { t } = useWords()
  const isRefused = useStore(wasRefused)
  useEffect(() => {
    if (isRefused) isSigningIn.set(true)
  }, [isRefused])
  return (
    <>
      <a class="skip" href="#main">
        {t.skip}
      </a>
      <header class="side">
        <a class="brand" href={hrefOf("campaigns")}>
          <svg viewBox="0 0 32 32" aria-hidden="true">
            <rect width="32" height="32" rx="8" />
            <path d="M8 7v18M24 7v18M8 13c2.7-2.4 5.3 2.4 8 0s5.3 2.4 8 0M8 20c2.7-2.4 5.3 2.4 8 0s5.3 2.4 8 0" />
          </svg>
          Sluice
        </a>
        <Navigation />
        <Preferences />
      </header>
      <div class="page">
        <div class="top">
          <Connection />
          <Session />
        </div>
        <main id="main" tabIndex={-1}>
          <View />
        </main>
      </div>
      <Toast />
    </>
  )
}
