/** The console: the page for those who run Sluice. */
import { render } from "preact"
import { App } from "./App.tsx"
import "./styles/base.css"
import "./styles/frame.css"
import "./styles/controls.css"
import "./styles/cards.css"
import "./styles/charts.css"
import "./styles/tables.css"
import "./styles/views.css"
import "./styles/dialogs.css"
import "./styles/small.css"
import { followCampaigns } from "./lib/campaigns.ts"
import { followOverview } from "./lib/overview.ts"

followCampaigns()
followOverview()
render(<App />, document.getElementById("app")!)
